"""The result: the table as it was, with what was said of each row beside it."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Protocol

from classifier.bulk.delimited_writer import DelimitedWriter
from classifier.bulk.errors import TableError
from classifier.bulk.ratings import RowRating, Summary
from classifier.bulk.table import Row, Table
from classifier.messages import message

ADDED = ("label", "score", "rating", "rating_low", "rating_high", "error")


class _Writer(Protocol):
    def row(self, cells: list[Any]) -> None: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...


def write_result(table: Table, ratings: Iterator[RowRating], out: BinaryIO) -> Summary:
    """Write the table with label, score, rating, its interval and error of each row.

    Same format, delimiter, columns and rows, bad ones in their places with what could be read of
    them; UTF-8, with a BOM where the table had one; CSV and TSV as classifier.bulk.formulas has
    it. Where one of the names in ADDED is taken all get _2, or the next number that is free.
    The same ratings give the same bytes, whoever rated and whatever `out` is.

    Args:
        ratings: one for each row of the table, in their order.
        out: needs `write` alone.

    Raises:
        TableError: rows and ratings do not match, or the table cannot be read to its end.
        OSError: `out` raises it.
    """
    summary = Summary()
    if table.format == "jsonl":
        _write_json_lines(table, ratings, out, summary)
        return summary
    header = [*table.header, *added_names({*table.header, *table.columns})]
    writer: _Writer
    if table.format == "xlsx":
        from classifier.bulk.workbook_writer import WorkbookWriter

        writer = WorkbookWriter(out, header)
    else:
        writer = DelimitedWriter(out, header, delimiter=table.delimiter, bom=table.bom)
    columns = table.columns
    try:
        for row, rating in _paired(table, ratings, summary):
            cells = [row.cells.get(column) for column in columns]
            writer.row([*cells, *_added_cells(rating, numbers=table.format == "xlsx")])
        writer.close()
    except BaseException:
        writer.abandon()
        raise
    return summary


def added_names(taken: set[str]) -> tuple[str, ...]:
    """Those in ADDED, or all of them with the first number that is free."""
    folded = {name.strip().casefold() for name in taken}
    names: tuple[str, ...] = ADDED
    number = 1
    while folded & set(names):
        number += 1
        names = tuple(f"{name}_{number}" for name in ADDED)
    return names


def _paired(
    table: Table, ratings: Iterator[RowRating], summary: Summary
) -> Iterator[tuple[Row, RowRating]]:
    try:
        for row, rating in zip(table.rows(), ratings, strict=True):
            summary.add(row.number, rating)
            yield row, rating
    except ValueError as error:
        if "zip()" not in str(error):
            raise
        raise TableError(
            code="ratings_count",
            rule=message("There must be one rating for each row."),
            value=message("they differ after row {rows:,}", rows=summary.rows),
            remedy=message("Rate the file again: it has changed since."),
        ) from error


def _added_cells(rating: RowRating, *, numbers: bool) -> tuple[Any, ...]:
    if rating.score is None:
        return (*[None] * 5, rating.error)
    score = score_digits(rating.score)
    said = (rating.label, float(score) if numbers else score, rating.rating)
    return (*said, rating.rating_low, rating.rating_high, None)


def score_digits(score: float) -> str:
    """Four digits: more would show which machine has rated."""
    return f"{score:.4f}"


def _write_json_lines(
    table: Table, ratings: Iterator[RowRating], out: BinaryIO, summary: Summary
) -> None:
    """Each object as it stands in the file, character by character, with its keys at its end."""
    # Any row may have the names, not only the first ones: that takes a pass of its own.
    taken: set[str] = set()
    for row in table.rows():
        taken.update(key for key in row.cells if key.strip().casefold().startswith(ADDED))
    names = [json.dumps(name) for name in added_names(taken)]
    out.write(b"\xef\xbb\xbf" if table.bom else b"")
    lines = []
    for row, rating in _paired(table, ratings, summary):
        values = [_json(cell) for cell in _added_cells(rating, numbers=False)]
        if rating.score is not None:
            values[1] = score_digits(rating.score)  # a number, with the same digits always
        added = ", ".join(f"{name}: {value}" for name, value in zip(names, values, strict=True))
        kept = row.source[:-1].rstrip() if row.source else "{"
        lines.append(f"{kept}{', ' if row.cells else ''}{added}}}\n")
        if len(lines) == 512:
            out.write("".join(lines).encode())
            lines.clear()
    out.write("".join(lines).encode())


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
