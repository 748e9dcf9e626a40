"""A labelled file as verdicts: what was labelled elsewhere, or exported from a site like this."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils.dateparse import parse_datetime

from classifier.bulk.errors import TableError
from classifier.bulk.table import Row, listed
from classifier.bulk.tables import open_table
from classifier.exceptions import ClassifierError
from classifier.labels import NEGATIVE, POSITIVE, canonical_label
from classifier.models import Prediction, Verdict, text_digest
from classifier.ratings import HIGHEST, LOWEST
from classifier.review.labelled import LabelledText, predictions_of, record_labelled
from classifier.services import review_text

BATCH = 256  # rows that are rated and written together
LISTED = 20  # problems that are told of


class InvalidRow(ClassifierError):
    """A row that is no verdict."""


@dataclass
class Imported:
    """What came of a file."""

    verdicts: int = 0
    """Given or changed."""
    unchanged: int = 0
    rated: int = 0
    """Texts that were not known and had to be rated first."""
    bad: int = 0
    problems: list[tuple[int, str]] = field(default_factory=list)
    """Row, counted from 1 below the header, and what is wrong; the first LISTED of them."""

    def refuse(self, row: int, problem: str) -> None:
        """Count a bad row."""
        self.bad += 1
        if len(self.problems) < LISTED:
            self.problems.append((row, problem))


def import_verdicts(
    path: Path,
    *,
    reviewer: Any,
    text_column: str = "text",
    label_column: str = "label",
    rating_column: str = "rating",
) -> Imported:
    """Take each row of a labelled file as a verdict.

    A row is about the prediction that it names, else about the newest one of its text; a text that
    is not known is rated first. It has a label, a rating or both: a label that is the model's
    keeps the model's rating, another one mirrors it.

    Args:
        path: CSV, TSV, JSON Lines, XLSX or Parquet.
        reviewer: whose verdicts they are where a row names nobody of this site.

    Raises:
        TableError: the file is no table, or has neither of the columns.
        ModelNotReady: a text must be rated and no model can.
    """
    done = Imported()
    names = _Columns(text_column, label_column, rating_column)
    with _table(path) as (columns, rows):
        _require(columns, names)
        while batch := list(islice(rows, BATCH)):
            _import_batch(batch, names, reviewer, done)
    return done


@dataclass(frozen=True)
class _Columns:
    text: str
    label: str
    rating: str


@dataclass(frozen=True, kw_only=True)
class _Said(LabelledText):
    """A row, checked."""

    number: int
    reviewer: str
    reviewed_at: datetime | None


def _import_batch(batch: list[Row], names: _Columns, reviewer: Any, done: Imported) -> None:
    said = []
    for row in batch:
        try:
            said.append(_read(row, names))
        except ClassifierError as error:
            done.refuse(row.number, str(error))
    predictions, rated = predictions_of(said, source=Prediction.Source.COMMAND)
    done.rated += rated
    users = {
        user.get_username(): user
        for user in get_user_model().objects.filter(
            username__in={one.reviewer for one in said if one.reviewer}
        )
    }
    with transaction.atomic():
        for one, prediction in zip(said, predictions, strict=True):
            if prediction is None:
                done.refuse(one.number, "Neither its prediction nor its text is known.")
                continue
            changed = _record(one, prediction, users.get(one.reviewer, reviewer))
            done.verdicts += changed
            done.unchanged += not changed


def _record(one: _Said, prediction: Prediction, reviewer: Any) -> bool:
    verdict, changed = record_labelled(one, prediction, reviewer=reviewer)
    if changed and one.reviewed_at:
        # Not save(): it would be now.
        Verdict.objects.filter(pk=verdict.pk).update(reviewed_at=one.reviewed_at)
    return changed


def _read(row: Row, names: _Columns) -> _Said:
    """
    Raises:
        ClassifierError: the row is no verdict.
    """
    if row.problem:
        raise InvalidRow(code="row_unreadable", rule=row.problem, value="it", remedy="Mend it.")
    cells = row.cells
    given = cells.get(names.text)
    text = review_text(given) if given not in (None, "") else ""
    digest = text_digest(text) if text else _string(cells.get("text_sha256"))
    label, rating = _label(cells.get(names.label)), _rating(cells.get(names.rating))
    if label is None and rating is None:
        raise InvalidRow(
            code="verdict_missing",
            rule="A row has a label, a rating or both.",
            value="neither",
            remedy=f"Fill in {names.label} or {names.rating}.",
        )
    chosen_by = _string(cells.get("chosen_by"))
    return _Said(
        number=row.number,
        prediction=_uuid(cells.get("prediction")),
        text=text,
        digest=digest,
        label=label,
        rating=rating,
        note=_string(cells.get("note")),
        reviewer=_string(cells.get("reviewer")),
        chosen_by=chosen_by if chosen_by in Verdict.ChosenBy.values else Verdict.ChosenBy.IMPORT,
        reviewed_at=_time(cells.get("reviewed_at")),
    )


def _label(cell: Any) -> str | None:
    if cell in (None, ""):
        return None
    label = canonical_label(str(cell))
    if label is None:
        raise InvalidRow(
            code="label_unknown",
            rule=f"A label is {NEGATIVE} or {POSITIVE}.",
            value=repr(str(cell)[:50]),
            remedy="Write one of the two, or leave it empty and give a rating.",
        )
    return label


def _rating(cell: Any) -> int | None:
    if cell in (None, ""):
        return None
    try:
        rating = float(cell)
    except (TypeError, ValueError):
        rating = 0.0
    if not (rating.is_integer() and LOWEST <= rating <= HIGHEST):
        raise InvalidRow(
            code="rating_range",
            rule=f"A rating is a whole number from {LOWEST} to {HIGHEST}.",
            value=repr(cell)[:50],
            remedy="Write such a number, or leave it empty and give a label.",
        )
    return int(rating)


def _string(cell: Any) -> str:
    return "" if cell is None else str(cell).replace("\0", "")


def _uuid(cell: Any) -> UUID | None:
    try:
        return UUID(str(cell))
    except ValueError:
        return None


def _time(cell: Any) -> datetime | None:
    try:
        time = parse_datetime(_string(cell))
    except ValueError:
        return None
    return time if time and time.tzinfo else None


def _require(columns: Iterable[str], names: _Columns) -> None:
    columns = tuple(columns)
    if not {"prediction", "text_sha256", names.text} & set(columns):
        raise TableError(
            code="column_unknown",
            rule=f"The table must have the text column {names.text!r}.",
            value=listed(columns),
            remedy="Name the column with --text-column.",
        )
    if not {names.label, names.rating} & set(columns):
        raise TableError(
            code="column_unknown",
            rule=f"The table must have the column {names.label!r} or {names.rating!r}.",
            value=listed(columns),
            remedy="Name it with --label-column or --rating-column.",
        )


@contextmanager
def _table(path: Path) -> Iterator[tuple[Iterable[str], Iterator[Row]]]:
    """Columns and rows, whatever the format."""
    if path.suffix.lower() == ".parquet":
        yield _parquet(path)
    else:
        with open_table(path) as table:
            yield table.columns, table.rows()


def _parquet(path: Path) -> tuple[list[str], Iterator[Row]]:
    import pyarrow.parquet as parquet
    from pyarrow import ArrowException

    try:
        file = parquet.ParquetFile(path)
    except (ArrowException, OSError) as error:
        raise TableError(
            code="parquet_unreadable",
            rule="A Parquet file must be whole.",
            value=str(error).splitlines()[0][:200],
            remedy="Export it again, or save it as CSV.",
        ) from error

    def rows() -> Iterator[Row]:
        number = 0
        for batch in file.iter_batches(BATCH):
            for cells in batch.to_pylist():
                number += 1
                yield Row(number, cells)

    return list(file.schema_arrow.names), rows()
