import dataclasses
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.bulk.chunks import Chunk, Item, chunks
from classifier.bulk.errors import PartsError
from classifier.bulk.packing import MAX_UNPACKED, pack
from classifier.bulk.ratings import (
    LISTED_BAD_ROWS,
    RowRating,
    Summary,
    bad_row,
    rate_chunk,
    ratings_from_bytes,
    ratings_to_bytes,
)
from classifier.bulk.table import Row
from tests.classifier.bulk.samples import classify

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
ITEMS = st.one_of(TEXTS.map(lambda t: (t, None)), TEXTS.map(lambda t: (None, t)))
SAID = {
    "label": st.sampled_from(["POSITIVE", "NEGATIVE"]),
    "score": st.floats(0, 1),
    "rating": st.integers(4, 6),
    "error": st.none(),
    "positive_probability": st.floats(0, 1),
    "windows": st.integers(1, 99),
    "rating_low": st.none(),
    "rating_high": st.none(),
    "probabilities": st.none(),
}
OTHER = {
    "label": st.sampled_from(["joy", "calm"]),
    "rating": st.none(),
    "positive_probability": st.none(),
    "probabilities": st.fixed_dictionaries({"joy": st.floats(0, 1), "calm": st.floats(0, 1)}),
}
INTERVAL = {"rating_low": st.integers(1, 4), "rating_high": st.integers(6, 10)}
RATINGS = st.one_of(
    TEXTS.map(bad_row),
    *(st.builds(RowRating, **(SAID | more)) for more in ({}, INTERVAL, OTHER)),
)


def rows(*texts: object) -> list[Row]:
    return [Row(number, {"text": text}) for number, text in enumerate(texts, start=1)]


def test_borders_are_at_rows_and_characters() -> None:
    cut = list(
        chunks(rows(*["aa"] * 5, "b" * 9, "c"), "text", max_chars=9, max_rows=3, max_chunk_chars=8)
    )
    assert [chunk.number for chunk in cut] == [1, 2, 3, 4]
    assert [chunk.first_row for chunk in cut] == [1, 4, 6, 7]
    assert [len(chunk.items) for chunk in cut] == [3, 2, 1, 1]


@given(st.lists(st.integers(0, 40), max_size=60))
def test_every_row_is_in_one_chunk_within_the_limits(lengths: list[int]) -> None:
    cut = list(
        chunks(
            rows(*["x" * length for length in lengths]),
            "text",
            max_chars=30,
            max_rows=7,
            max_chunk_chars=50,
        )
    )
    items = [item for chunk in cut for item in chunk.items]
    assert [item.row for item in items] == list(range(1, len(lengths) + 1))
    assert [item.problem is None for item in items] == [0 < length <= 30 for length in lengths]
    for chunk in cut:
        assert 1 <= len(chunk.items) <= 7
        assert sum(map(len, chunk.texts())) <= 50
        assert chunk.first_row == chunk.items[0].row


def test_what_the_door_refuses_is_a_bad_row_with_rule_and_value() -> None:
    [chunk] = chunks(rows(" fine ", 5, "\0", "\ud800", "x" * 11, None), "text", max_chars=10)
    assert chunk.items[0] == Item(1, "fine", None)
    reasons = [item.problem or "" for item in chunk.items[1:]]
    expected = ["a number", "NUL at position 0", "U+D800", "11 characters", "null"]
    assert all(part in reason for part, reason in zip(expected, reasons, strict=True)), reasons
    assert chunk.texts() == ["fine"]


def test_a_row_without_the_column_is_a_bad_row() -> None:
    [chunk] = chunks([Row(1, {"body": "fine"})], "text", max_chars=10)
    assert "no 'text'" in (chunk.items[0].problem or "")


@given(st.integers(1, 10**9), st.lists(ITEMS, min_size=1, max_size=20))
def test_a_chunk_comes_back_as_it_was(first: int, pairs: list[tuple[str | None, str]]) -> None:
    items = tuple(Item(row, *pair) for row, pair in enumerate(pairs, start=first))
    chunk = Chunk(3, first, items)
    assert Chunk.from_bytes(chunk.to_bytes()) == chunk
    assert chunk.to_bytes() == dataclasses.replace(chunk).to_bytes()


@given(st.lists(RATINGS, max_size=20))
def test_ratings_come_back_to_the_last_bit(ratings: list[RowRating]) -> None:
    assert ratings_from_bytes(ratings_to_bytes(ratings)) == ratings


WITH_INTERVAL = ("POSITIVE", 0.5, 3, None, 0.5, 1, 2, 5)


def test_what_was_rated_before_there_were_intervals_is_read() -> None:
    columns = [[value] for value in WITH_INTERVAL]

    [before] = ratings_from_bytes(pack([1, *columns[:6]]))
    [now] = ratings_from_bytes(pack([2, *columns]))

    assert before == RowRating(*WITH_INTERVAL[:6])
    assert (now.rating_low, now.rating_high) == (2, 5)
    assert (before.rating_low, before.rating_high) == (None, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not packed",
        pack([1, 1, 1, [["a", None]]])[:-3],
        pack([1, 1, 1, [["a", None]]]) + b"x",
        pack({"a": 1}),
        pack([2, 1, 1, [["a", None]]]),
        pack([3, *([value] for value in WITH_INTERVAL)]),
        pack([2, *([value] for value in WITH_INTERVAL[:6])]),
        pack([2, *([value] for value in (*WITH_INTERVAL[:6], None, 5))]),
        pack([2, *([value] for value in (*WITH_INTERVAL[:6], 4, 5))]),
        pack([2, *([value] for value in (*WITH_INTERVAL[:6], 1, 2))]),
        pack([2, *([value] for value in (*WITH_INTERVAL[:6], 0, 5))]),
        pack([2, *([value] for value in (*WITH_INTERVAL[:6], 1, 11))]),
        pack([2, *([value] for value in (None, None, None, "bad", None, None, 1, 2))]),
        pack([1, 0, 1, [["a", None]]]),
        pack([1, 1, 1, [["a", "b"]]]),
        pack([1, [None], [0.5], [3], [None], [0.5], [1]]),
        pack([1, ["POSITIVE"], [1.5], [3], [None], [0.5], [1]]),
        pack([1, ["POSITIVE"], [0.5], [11], [None], [0.5], [1]]),
        pack([1, ["POSITIVE"], [0.5]]),
        zlib.compress(b"[" * (MAX_UNPACKED + 1)),
    ],
)
def test_what_was_not_written_so_is_refused(data: bytes) -> None:
    with pytest.raises(PartsError):
        Chunk.from_bytes(data)
    with pytest.raises(PartsError):
        ratings_from_bytes(data)


def test_a_chunk_is_rated_in_one_call_and_bad_rows_keep_their_places() -> None:
    calls = []

    def counted(texts: list[str]) -> object:
        calls.append(texts)
        return classify(texts)

    [chunk] = chunks(rows("odd", "", "even"), "text", max_chars=10)
    said = rate_chunk(chunk, counted)  # type: ignore[arg-type]
    assert calls == [["odd", "even"]]
    assert [rating.label for rating in said] == ["POSITIVE", None, "NEGATIVE"]
    assert [rating.error is None for rating in said] == [True, False, True]
    ends = [(rating.rating_low, rating.rating_high) for rating in said]
    assert ends == [(8, 10), (None, None), (None, None)]


def test_a_chunk_of_bad_rows_alone_asks_no_model() -> None:
    [chunk] = chunks(rows("", " "), "text", max_chars=10)
    assert all(rating.error for rating in rate_chunk(chunk, lambda _: pytest.fail("asked")))


@pytest.mark.parametrize("count", [0, 2])
def test_a_model_that_gives_too_few_or_many_is_an_error(count: int) -> None:
    [chunk] = chunks(rows("fine"), "text", max_chars=10)
    with pytest.raises(ValueError, match=r"classif"):
        rate_chunk(chunk, lambda _: classify(["x"] * count))


def test_a_summary_counts_and_lists_the_first_bad_rows() -> None:
    summary = Summary()
    for row in range(1, 151):
        summary.add(row, bad_row("blank"))
    summary.add(151, RowRating("POSITIVE", 0.9, 10, None, 0.9, 1))
    assert (summary.rows, summary.rated, summary.bad) == (151, 1, 150)
    said = summary.as_dict()
    assert said["ratings"] == [0] * 9 + [1]
    assert said["labels"] == {"POSITIVE": 1}
    assert len(said["bad_rows"]) == LISTED_BAD_ROWS
    assert said["bad_rows"][0] == [1, "blank"]
