import pytest

from classifier.differences import MOST_WORDS, differences


def marked(first: str, second: str) -> tuple[str, str]:
    """Both texts with what only one of them has in brackets."""
    parts = differences(first, second)
    assert parts
    marks = [
        "".join(f"[{part.text}]" if part.kind == "only" else part.text for part in side)
        for side in parts
    ]
    return marks[0], marks[1]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("a good film", "a bad film", ("a [good] film", "a [bad] film")),
        ("I would see it", "I would never see it", ("I would see it", "I would [never] see it")),
        ("good, but long", "good", ("good[, but long]", "good")),
        ("same\ntext", "same\ntext", ("same\ntext", "same\ntext")),
    ],
)
def test_what_only_one_text_has_is_marked(
    first: str, second: str, expected: tuple[str, str]
) -> None:
    assert marked(first, second) == expected


def test_the_parts_of_each_side_are_its_text() -> None:
    first, second = "Well, it was : fine ★ and long.", "Well, it was : awful ★  and short."
    parts = differences(first, second)

    assert parts
    assert ["".join(part.text for part in side) for side in parts] == [first, second]


@pytest.mark.parametrize(
    ("first", "second"),
    [("a lovely film", "we had soup twice"), ("word " * (MOST_WORDS + 1), "word"), ("", "")],
    ids=["two texts", "too long", "empty"],
)
def test_texts_that_say_nothing_side_by_side_are_not_marked(first: str, second: str) -> None:
    assert differences(first, second) in (None, ([], []))
