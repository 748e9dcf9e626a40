import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.explanation.parts import LONG, gathered, phrases, sentences, without, words


def said(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def spoken(text: str) -> list[str]:
    return [text[start:end] for start, end in words(text, (0, len(text)))]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It cost 3.50. A lot…", ["It cost 3.50.", "A lot…"]),
        ("“Never.” He left.", ["“Never.”", "He left."]),
        ("Mr. Smith sang. I left.", ["Mr. Smith sang.", "I left."]),
        ("it was awful. i left.", ["it was awful.", "i left."]),
        ("songs, e.g. mine, vs. his", ["songs, e.g. mine, vs. his"]),
        (
            "One line\nand another\r\nand \u2028 a third",
            ["One line", "and another", "and", "a third"],
        ),
        ("Good.<br /><br />Bad<BR>ugly</p>", ["Good.", "Bad", "ugly"]),
        ("  around . spaces  ", ["around .", "spaces"]),
        ("很好看的电影。演员很棒！我喜欢", ["很好看的电影。", "演员很棒！", "我喜欢"]),  # noqa: RUF001
        ("😀 Superb. Cafe\u0301 noir? 👍🏽", ["😀 Superb.", "Cafe\u0301 noir?", "👍🏽"]),
        ("Отлично. Советую!", ["Отлично.", "Советую!"]),
        ("no end", ["no end"]),
        ("", []),
        ("\n\n", []),
    ],
)
def test_a_text_falls_into_sentences(text: str, found: list[str]) -> None:
    assert said(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It's 3.50, well-made!", ["It's", "3.50", "well", "made"]),
        ("cafe\u0301 😀👍🏽 ★★ -- :", ["cafe\u0301", "😀", "👍🏽", "★", "★"]),
        ("演员很棒", ["演员", "很", "棒"]),
        ("ภาพยนตร์ดีมาก", ["ภาพยนตร์", "ดี", "มาก"]),
        ("?!", []),
    ],
)
def test_a_sentence_falls_into_words(text: str, found: list[str]) -> None:
    assert spoken(text) == found


def test_the_words_are_those_of_the_part_that_was_asked_for() -> None:
    text = "😀 Not this. But these two. Not that."

    [start, end] = sentences(text)[1]

    assert [text[slice(*word)] for word in words(text, (start, end))] == ["But", "these", "two"]


def test_what_runs_on_is_cut_between_clauses() -> None:
    text = "we went in, we sat down, we saw it all and we came out again, " * 20

    pieces = said(text)

    assert all(len(piece) <= LONG for piece in pieces)
    assert all(piece.endswith(",") for piece in pieces)
    assert "".join(pieces).replace(" ", "") == text.replace(" ", "")


def test_a_word_is_not_cut_however_long_it_is() -> None:
    assert said("well " + "lovely" * 200) == ["well", "lovely" * 200]


@given(
    st.text(
        alphabet=st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from(".\n 的a"))
    )
)
def test_parts_are_pieces_of_the_text_in_their_order(text: str) -> None:
    found = sentences(text)

    assert all(0 <= start < end <= len(text) for start, end in found)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(found))
    for span in found:
        assert text[slice(*span)] == text[slice(*span)].strip()
        inside = words(text, span)
        assert all(span[0] <= start < end <= span[1] for start, end in inside)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(inside))


@given(st.lists(st.integers(1, 300), min_size=1, max_size=200), st.integers(1, 30))
def test_neighbours_are_put_together_where_there_are_too_many(
    lengths: list[int], most: int
) -> None:
    edges = [0, *itertools.accumulate(lengths)]
    spans = list(itertools.pairwise(edges))

    for together in (gathered, phrases):
        found = together(spans, most)
        assert 1 <= len(found) <= most
        assert found[0][0] == 0
        assert found[-1][1] == edges[-1]
        assert all(before[1] == after[0] for before, after in itertools.pairwise(found))
        if len(spans) <= most:
            assert found == spans


@pytest.mark.parametrize(
    ("text", "part", "left"),
    [
        ("One. Two. Three.", "Two.", "One. Three."),
        ("One. Two.", "One.", "Two."),
        ("One. Two.", "Two.", "One."),
        ("one,two", "two", "one,"),
        ("演员很棒", "很", "演员棒"),
        ("One.", "One.", ""),
    ],
)
def test_what_is_left_has_white_space_once(text: str, part: str, left: str) -> None:
    start = text.index(part)

    assert without(text, (start, start + len(part))) == left
