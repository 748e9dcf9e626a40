"""What all tables have in common, whichever format they are in."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

from classifier.bulk.errors import TableError
from classifier.bulk.limits import MAX_COLUMNS, MAX_RECORD_CHARS
from classifier.exceptions import InvalidText
from classifier.messages import message

EMPTY_ROW = message("A row must have cells. Found: an empty row.")
LONG_ROW = message(
    "A row may have {most:,} characters at most. Found: more.", most=MAX_RECORD_CHARS
)


class Row(NamedTuple):
    """One row of data. Rows that cannot be read are rows too, with a problem."""

    number: int
    """1 for the first row below the header; `Table.line` says where a spreadsheet shows it."""
    cells: Mapping[str, Any]
    """By the names of `Table.columns`; of a row with a problem, what could be read."""
    problem: str | None = None
    """Why the row cannot be rated."""
    source: str = ""
    """The row as it stands in the file, for formats that write it again as it was (JSONL)."""

    def text(self, column: str) -> object:
        """What stands in the text column, of any type.

        Raises:
            InvalidText: the row has no such cell.
        """
        if column not in self.cells:
            raise InvalidText(
                code="text_missing",
                rule=message("A row must have the text column."),
                value=message("no {column!r}", column=column),
                remedy=message("Add it to the row."),
            )
        return self.cells[column]


class Table(ABC):
    """A table of reviews, read as a stream; each call of `rows` reads it from the start."""

    format: str
    """csv, tsv, jsonl or xlsx."""
    columns: tuple[str, ...]
    """Names of the columns: none empty, none twice. Of JSONL: the keys of its first rows."""
    header: tuple[str, ...] = ()
    """The same as they stand in the file; JSONL has none."""
    header_line: int = 0
    """The line of the header, counted as a spreadsheet does; 0 in JSONL."""
    encoding: str = "utf-8"
    bom: bool = False
    delimiter: str = ""

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Every row below the header, in order, numbered without gaps.

        Raises:
            TableError: while reading, where the rest of the file cannot be read.
        """

    def line(self, number: int) -> int:
        """Where a spreadsheet (for JSONL: an editor) shows the row of this number."""
        return self.header_line + number

    def require(self, column: str) -> str:
        """`column`, if the table has it.

        Raises:
            TableError: it does not.
        """
        if column not in self.columns:
            raise TableError(
                code="column_unknown",
                rule=message("The text column must be one of the table's columns."),
                value=repr(column),
                remedy=message("Choose one of: {names}.", names=listed(self.columns)),
            )
        return column

    def close(self) -> None:  # noqa: B027  # most hold nothing open
        """Give back what the table holds open; not the stream that its caller opened."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def listed(columns: Sequence[str], most: int = 20) -> str:
    """The names of columns for a message, the first `most` of them."""
    names = ", ".join(column[:60] for column in columns[:most])
    if len(columns) <= most:
        return names
    return message("{names} and {more:,} more", names=names, more=len(columns) - most)


def column_names(header: Iterable[str]) -> tuple[str, ...]:
    """Names to call the columns by: an empty one is column_3, a second "text" is text_2.

    Raises:
        TableError: there are too many, or one holds what no name does.
    """
    stripped = [name.strip() for name in header]
    if len(stripped) > MAX_COLUMNS:
        raise TableError(
            code="columns_too_many",
            rule=message("A table may have {most:,} columns at most.", most=MAX_COLUMNS),
            value=f"{len(stripped):,}",
            remedy=message("Remove those that are not needed."),
        )
    if any("\0" in name for name in stripped):
        raise TableError(
            code="header_nul",
            rule=message("The names of columns must be text."),
            value=message("the NUL character in the first row"),
            remedy=message("Save the file as UTF-8; this often is UTF-16 without its BOM."),
        )
    names: list[str] = []
    taken = set(stripped)
    for place, name in enumerate(stripped, start=1):
        wanted = unique = name or f"column_{place}"
        again = 2
        while unique in names or (unique != name and unique in taken):
            unique = f"{wanted}_{again}"
            again += 1
        names.append(unique)
    return tuple(names)


def empty_table(what: str) -> TableError:
    return TableError(
        code="table_empty",
        rule=message("A table must begin with the names of its columns."),
        value=what,
        remedy=message("Choose a file that has a first row of names and reviews below it."),
    )
