"""Verdicts as a file, to learn from, to keep, or to import elsewhere.

What is written and read again, on this site or another, gives the same verdicts: a row names its
prediction, its text by digest, and all that the verdict says.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from classifier.bulk.delimited_writer import DelimitedWriter
from classifier.bulk.errors import TableError
from classifier.messages import message
from classifier.models import VerdictQuerySet
from classifier.review.split import split_of

COLUMNS = (
    *(
        "prediction",
        "text",
        "text_pair",
        "text_sha256",
        "label",
        "rating",
        "note",
        "reviewer",
        "chosen_by",
    ),
    *("reviewed_at", "split", "model_label", "model_rating", "model_rating_low"),
    *("model_rating_high", "positive_probability", "model", "predicted_at"),
)
FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")

Row = dict[str, Any]


def rows_of(verdicts: VerdictQuerySet) -> Iterator[Row]:
    """Each verdict with its prediction, by the names in COLUMNS; the oldest prediction first."""
    rows = verdicts.select_related("prediction__model_version", "reviewer")
    ordered = rows.order_by("prediction__created_at", "prediction_id")
    for verdict in ordered.iterator(chunk_size=2000):
        prediction = verdict.prediction
        yield {
            "prediction": str(prediction.pk),
            "text": prediction.text,
            "text_pair": prediction.text_pair,
            "text_sha256": prediction.text_sha256,
            "label": verdict.label,
            "rating": verdict.rating,
            "note": verdict.note,
            "reviewer": verdict.reviewer.get_username() if verdict.reviewer else "",
            "chosen_by": verdict.chosen_by,
            "reviewed_at": verdict.reviewed_at.isoformat(),
            "split": split_of(prediction.text_sha256),
            "model_label": prediction.label,
            "model_rating": prediction.rating,
            "model_rating_low": prediction.rating_low,
            "model_rating_high": prediction.rating_high,
            "positive_probability": prediction.positive_probability,
            "model": str(prediction.model_version),
            "predicted_at": prediction.created_at.isoformat(),
        }


def export_verdicts(path: Path, verdicts: VerdictQuerySet) -> int:
    """Write verdicts into a file, whole or not at all; how many there were.

    Args:
        path: its ending says the format, one of FORMATS.

    Raises:
        TableError: another ending.
        OSError: the file cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("wb") as out:
            count = write_rows(out, path.name, rows_of(verdicts))
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return count


def write_verdicts(out: BinaryIO, name: str, verdicts: VerdictQuerySet) -> int:
    """As `export_verdicts`, into a stream; `name` says the format."""
    return write_rows(out, name, rows_of(verdicts))


def write_rows(
    out: BinaryIO, name: str, rows: Iterable[Row], columns: Sequence[str] = COLUMNS
) -> int:
    """Write rows of `rows_of` into a stream; how many there were.

    Args:
        name: its ending says the format, one of FORMATS.
        columns: those of COLUMNS that are written.

    Raises:
        TableError: another ending.
    """
    match suffix := Path(name).suffix.lower():
        case ".csv" | ".tsv":
            delimiter = "\t" if suffix == ".tsv" else ","
            return _write_delimited(out, rows, columns, delimiter=delimiter)
        case ".jsonl":
            return _write_jsonl(out, rows, columns)
        case ".parquet":
            return _write_parquet(out, rows, columns)
    raise TableError(
        code="format_unknown",
        rule=message("The name of an export must end in {names}.", names=", ".join(FORMATS)),
        value=repr(suffix) if suffix else message("a name without ending"),
        remedy=message("Choose one of them."),
    )


def _write_delimited(
    out: BinaryIO, rows: Iterable[Row], columns: Sequence[str], *, delimiter: str
) -> int:
    writer = DelimitedWriter(out, columns, delimiter=delimiter)
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        writer.row([row[name] for name in columns])
    writer.close()
    return count


def _write_jsonl(out: BinaryIO, rows: Iterable[Row], columns: Sequence[str]) -> int:
    count = 0
    for count, row in enumerate(rows, 1):  # noqa: B007
        written = {name: row[name] for name in columns}
        out.write(json.dumps(written, ensure_ascii=False).encode() + b"\n")
    return count


def _write_parquet(out: BinaryIO, rows: Iterable[Row], columns: Sequence[str]) -> int:
    import pyarrow as arrow
    from pyarrow import parquet

    numbers = {
        "rating": arrow.int8(),
        "model_rating": arrow.int8(),
        "model_rating_low": arrow.int8(),
        "model_rating_high": arrow.int8(),
        "positive_probability": arrow.float64(),
    }
    schema = arrow.schema([(name, numbers.get(name, arrow.string())) for name in columns])
    count = 0
    rows = iter(rows)
    with parquet.ParquetWriter(out, schema) as writer:
        while batch := list(islice(rows, 2000)):
            writer.write_table(arrow.Table.from_pylist(batch, schema))
            count += len(batch)
    return count
