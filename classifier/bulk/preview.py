"""What a table looks like, and which of its columns holds the texts."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from classifier.bulk.table import Row, Table
from classifier.exceptions import InvalidText

GUESSED_FROM = 100  # rows
SHOWN_CHARS = 300
CLEARLY_LONGER = 2.0  # times the mean length of the second longest
TEXT_NAMES = frozenset(
    {
        *("text", "texts", "review", "reviews", "review_text", "reviewtext", "review_body"),
        *("content", "comment", "comments", "feedback", "body", "message", "sentence", "opinion"),
        *("текст", "отзыв", "отзывы", "комментарий", "мнение", "сообщение"),
    }
)


@dataclass(frozen=True)
class Preview:
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """The first rows, a cell for each of `columns`, cut at SHOWN_CHARS."""
    problems: tuple[str | None, ...]
    """What is wrong with each of `rows`."""
    text_column: str | None
    """The likeliest text column; None where there is no row to tell by."""
    certain: bool
    """Whether no other column could have been meant."""


def preview(table: Table, rows: int = 5) -> Preview:
    """The first rows of a table and a guess of its text column.

    Raises:
        TableError: the beginning cannot be read.
    """
    sample = list(itertools.islice(table.rows(), max(rows, GUESSED_FROM)))
    column, certain = guess_text_column(table.columns, sample)
    return Preview(
        columns=table.columns,
        rows=tuple(
            tuple(_shown(row.cells.get(column)) for column in table.columns)
            for row in sample[:rows]
        ),
        problems=tuple(row.problem for row in sample[:rows]),
        text_column=column,
        certain=certain,
    )


def guess_text_column(columns: Sequence[str], sample: Sequence[Row]) -> tuple[str | None, bool]:
    """The column of the texts: known by name, else by the longest texts; and whether it is clear.

    Clear is the only column, the only one with a known name, and without such a name the one
    whose texts are CLEARLY_LONGER than all others'.
    """
    lengths = {column: _mean_length(column, sample) for column in columns}
    if len(columns) == 1:
        return columns[0], True
    if known := [column for column in columns if column.strip().casefold() in TEXT_NAMES]:
        return max(known, key=lengths.__getitem__), len(known) == 1
    ranked = sorted(columns, key=lengths.__getitem__, reverse=True)
    if not ranked or not lengths[ranked[0]]:
        return None, False
    return ranked[0], lengths[ranked[0]] >= CLEARLY_LONGER * lengths[ranked[1]]


def _mean_length(column: str, sample: Sequence[Row]) -> float:
    lengths = []
    for row in sample:
        try:
            text = row.text(column)
        except InvalidText:
            continue
        if isinstance(text, str):
            lengths.append(len(text))
    return sum(lengths) / len(lengths) if lengths else 0.0


def _shown(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return text[:SHOWN_CHARS].encode("utf-8", errors="replace").decode()
