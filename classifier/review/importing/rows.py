"""The rows of a labelled file, read and checked."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from django.utils.dateparse import parse_datetime

from classifier.bulk.errors import TableError
from classifier.bulk.table import Row, listed
from classifier.bulk.tables import FORMATS as TABLES
from classifier.bulk.tables import open_table
from classifier.bulk.view import buffered
from classifier.exceptions import ClassifierError
from classifier.messages import message
from classifier.models import Verdict, text_digest
from classifier.review.judgement import read_label, read_rating
from classifier.review.labelled import LabelledText
from classifier.services import review_text

PARQUET = ".parquet"
FORMATS = (*TABLES, PARQUET)
UNKNOWN = message("Neither its prediction nor its text is known.")
BATCH = 256  # rows that are looked up, rated and written together

_DIGEST = re.compile("[0-9a-f]{64}")
_SURROGATE = re.compile("[\ud800-\udfff]")


class InvalidRow(ClassifierError):
    """A row that is no verdict."""


@dataclass(frozen=True)
class Columns:
    """Which columns of a file have what; a file need not have all of them."""

    text: str = "text"
    label: str = "label"
    rating: str = "rating"


@dataclass(frozen=True, kw_only=True)
class LabelledRow(LabelledText):
    """A row that is a verdict, checked."""

    number: int
    """1 for the first one below the header."""
    reviewer: str
    reviewed_at: datetime | None


@dataclass(frozen=True)
class BadRow:
    """A row that is no verdict."""

    number: int
    problem: str


@dataclass(frozen=True)
class LabelledFile:
    """A labelled file that is open; its rows can be read once."""

    columns: tuple[str, ...]
    rows: Iterator[Row]

    def batches(self, columns: Columns) -> Iterator[list[LabelledRow | BadRow]]:
        """The rows, checked, at most BATCH at a time.

        Raises:
            TableError: the file has not the columns, or the rest of it cannot be read.
        """
        _require(self.columns, columns)
        while batch := list(islice(self.rows, BATCH)):
            yield [_checked(row, columns) for row in batch]


@contextmanager
def open_labelled(source: Path | BinaryIO, filename: str = "") -> Iterator[LabelledFile]:
    """A labelled file of one of FORMATS.

    Args:
        source: a path, or a binary stream that can seek.
        filename: the file's name, for its ending; a path has one.

    Raises:
        TableError: it is no table that can be read.
        OSError: there is no such file, or it cannot be read.
    """
    name = filename or (source.name if isinstance(source, Path) else "")
    if Path(name).suffix.lower() == PARQUET:
        yield _open_parquet(source)
    else:
        with open_table(source, name) as table:
            yield LabelledFile(table.columns, table.rows())


def _open_parquet(source: Path | BinaryIO) -> LabelledFile:
    import pyarrow.parquet as parquet
    from pyarrow import ArrowException

    try:
        file = parquet.ParquetFile(source if isinstance(source, Path) else buffered(source))
    except FileNotFoundError:
        raise
    except (ArrowException, OSError) as error:
        raise _unreadable(error) from error

    def rows() -> Iterator[Row]:
        number = 0
        try:
            for batch in file.iter_batches(BATCH):
                for cells in batch.to_pylist():
                    number += 1
                    yield Row(number, cells)
        except (ArrowException, OSError, UnicodeDecodeError) as error:
            raise _unreadable(error) from error

    return LabelledFile(tuple(file.schema_arrow.names), rows())


def _unreadable(error: Exception) -> TableError:
    return TableError(
        code="parquet_unreadable",
        rule=message("A Parquet file must be whole."),
        value=(str(error).splitlines() or [type(error).__name__])[0][:200],
        remedy=message("Export it again, or save it as CSV."),
    )


def _require(columns: tuple[str, ...], wanted: Columns) -> None:
    if not {"prediction", "text_sha256", wanted.text} & set(columns):
        raise TableError(
            code="column_unknown",
            rule=message("The table must have the text column {text!r}.", text=wanted.text),
            value=listed(columns),
            remedy=message("Say which column has the texts."),
        )
    if not {wanted.label, wanted.rating} & set(columns):
        raise TableError(
            code="column_unknown",
            rule=message(
                "The table must have the column {label!r} or {rating!r}.",
                label=wanted.label,
                rating=wanted.rating,
            ),
            value=listed(columns),
            remedy=message("Say which column has the labels, and which one the ratings."),
        )


def _checked(row: Row, columns: Columns) -> LabelledRow | BadRow:
    try:
        return _read(row, columns)
    except ClassifierError as error:
        return BadRow(row.number, error.message)


def _read(row: Row, columns: Columns) -> LabelledRow:
    """
    Raises:
        ClassifierError: the row is no verdict.
    """
    if row.problem:
        raise InvalidRow(
            code="row_unreadable", rule=row.problem, value=message("it"), remedy=message("Mend it.")
        )
    cells = row.cells
    given, label, rating = (
        cells.get(name) for name in (columns.text, columns.label, columns.rating)
    )
    text = "" if _empty(given) else review_text(given)
    if _empty(label) and _empty(rating):
        raise InvalidRow(
            code="verdict_missing",
            rule=message("A row has a label, a rating or both."),
            value=message("neither"),
            remedy=message(
                "Fill in {label} or {rating}.", label=columns.label, rating=columns.rating
            ),
        )
    chosen_by = _string(cells, "chosen_by")
    return LabelledRow(
        number=row.number,
        prediction=_uuid(_string(cells, "prediction")),
        text=text,
        digest=text_digest(text) if text else _digest(_string(cells, "text_sha256")),
        label=None if _empty(label) else read_label(label),
        rating=None if _empty(rating) else read_rating(rating),
        note=_string(cells, "note"),
        reviewer=_string(cells, "reviewer"),
        chosen_by=chosen_by if chosen_by in Verdict.ChosenBy.values else Verdict.ChosenBy.IMPORT,
        reviewed_at=_time(_string(cells, "reviewed_at")),
    )


def _empty(cell: Any) -> bool:
    """Whether a cell says nothing: pandas writes what is missing as a number that is none."""
    if isinstance(cell, float):
        return math.isnan(cell)
    return cell is None or (isinstance(cell, str) and not cell.strip())


def _string(cells: Mapping[str, Any], name: str) -> str:
    """
    Raises:
        InvalidRow: no database keeps it.
    """
    cell = cells.get(name)
    if not isinstance(cell, str) and _empty(cell):
        return ""
    text = str(cell).replace("\0", "")
    if found := _SURROGATE.search(text):
        raise InvalidRow(
            code="cell_surrogate",
            rule=message("{name} must be valid Unicode, without lone surrogates.", name=name),
            value=message(
                "U+{code:04X} at position {place}", code=ord(found.group()), place=found.start()
            ),
            remedy=message("Save the file as UTF-8."),
        )
    return text


def _digest(cell: str) -> str:
    return cell if _DIGEST.fullmatch(cell) else ""


def _uuid(cell: str) -> UUID | None:
    try:
        return UUID(cell)
    except ValueError:
        return None


def _time(cell: str) -> datetime | None:
    try:
        time = parse_datetime(cell)
    except ValueError:
        return None
    return time if time and time.tzinfo else None
