"""Files small enough to be rated while one waits; all others are rated as files."""

import io
from collections.abc import Sequence
from itertools import islice
from pathlib import PurePath
from typing import BinaryIO

from classifier.bulk.delimited_writer import DelimitedWriter
from classifier.bulk.encoding import detect_encoding
from classifier.bulk.errors import TableError
from classifier.bulk.preview import TEXT_NAMES
from classifier.bulk.tables import FORMATS, open_table
from classifier.exceptions import InvalidText
from classifier.messages import counted, message
from classifier.services import review_text

TEXT = ".txt"
TEXT_BYTES = 4 * 1024 * 1024  # of a .txt file, which is read whole
TABLE_BYTES = 1024 * 1024  # of a table that is looked at; larger ones are not small


def require_known(name: str) -> None:
    """
    Raises:
        TableError: the name does not end as that of a text or of a table.
    """
    suffix = PurePath(name).suffix.lower()
    if suffix != TEXT and suffix not in FORMATS:
        raise TableError(
            code="format_unknown",
            rule=message("A file's name must end in {names}.", names=", ".join([TEXT, *FORMATS])),
            value=repr(suffix) if suffix else message("a name without ending"),
            remedy=message("Save it as plain text, or as a table in CSV."),
        )


def is_text(name: str) -> bool:
    return PurePath(name).suffix.lower() == TEXT


def read_text(stream: BinaryIO, size: int) -> str:
    """A text file, whatever its encoding.

    Args:
        size: bytes.

    Raises:
        TableError: it is too large, or in no encoding that is known.
    """
    if size > TEXT_BYTES:
        raise TableError(
            code="text_file_too_large",
            rule=message("A text file may have {most:,} bytes at most.", most=TEXT_BYTES),
            value=counted("{count:,} byte", "{count:,} bytes", size),
            remedy=message("Save it as a table in CSV, one review a row."),
        )
    encoding = detect_encoding(stream)
    stream.seek(0)
    return stream.read().decode(encoding.name)


def read_table(stream: BinaryIO, name: str, size: int, *, most: int) -> list[str] | None:
    """The reviews of a table of `most` rows, ready to be rated.

    None for one that is larger, whose column of reviews is not clear from its name, or that has a
    row which cannot be rated: there, a person should look first, or learn of each row.

    Raises:
        TableError: it is no table.
    """
    with open_table(stream, name) as table:
        known = [column for column in table.columns if column.strip().casefold() in TEXT_NAMES]
        if size > TABLE_BYTES or len(known) != 1:
            return None
        rows = list(islice(table.rows(), most + 1))
        if not 1 <= len(rows) <= most or any(row.problem for row in rows):
            return None
        try:
            return [review_text(row.text(known[0])) for row in rows]
        except InvalidText:
            return None


def as_table(texts: Sequence[str]) -> BinaryIO:
    """Texts as a CSV file with the one column `text`."""
    table = io.BytesIO()
    writer = DelimitedWriter(table, ["text"], delimiter=",")
    for text in texts:
        writer.row([text])
    writer.close()
    table.seek(0)
    return table
