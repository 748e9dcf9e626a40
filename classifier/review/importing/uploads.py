"""Labelled files that were sent and wait for a word: kept as uploads of /bulk are."""

from itertools import islice
from pathlib import Path, PurePath
from typing import BinaryIO

from classifier.bulk.errors import TableError
from classifier.bulk.preview import guess_text_column
from classifier.files import delete_stored, open_stored, store
from classifier.messages import message
from classifier.models import StoredFile
from classifier.review.importing.rows import FORMATS, Columns, open_labelled

GUESSED_FROM = 100  # rows


def keep_upload(stream: BinaryIO, filename: str) -> StoredFile:
    """Keep a file that is a table; one that is never imported is deleted after a day.

    Args:
        filename: as its sender calls it; its ending says the format, one of FORMATS.

    Raises:
        TableError: it is no table with a row in it; nothing is kept.
    """
    name = "".join(
        letter if letter.isprintable() else "_"
        for letter in PurePath(filename.replace("\\", "/")).name
    )
    if Path(name).suffix.lower() not in FORMATS:
        raise TableError(
            code="format_unknown",
            rule=message("A table's name must end in {names}.", names=", ".join(FORMATS)),
            value=repr(Path(name).suffix)
            if Path(name).suffix
            else message("a name without ending"),
            remedy=message("Save it as CSV (UTF-8), XLSX or Parquet."),
        )
    file = store(stream, name)
    try:
        columns_of(file)
    except BaseException:
        delete_stored(file)
        raise
    return file


def columns_of(file: StoredFile) -> tuple[tuple[str, ...], Columns]:
    """The columns of a kept file, and which of them are likely to be meant.

    Raises:
        TableError: it is no table with a row in it.
        FileNotFoundError: it has been deleted.
    """
    with open_stored(file) as stream, open_labelled(stream, file.name) as table:
        sample = list(islice(table.rows, GUESSED_FROM))
        if not sample:
            raise TableError(
                code="table_without_rows",
                rule=message("A table must have a row below the names of its columns."),
                value=message("none"),
                remedy=message("Choose a file with verdicts in it."),
            )
        usual = Columns()
        text = usual.text
        if text not in table.columns:
            text = guess_text_column(table.columns, sample)[0] or ""
        return table.columns, Columns(
            text=text,
            label=usual.label if usual.label in table.columns else "",
            rating=usual.rating if usual.rating in table.columns else "",
        )
