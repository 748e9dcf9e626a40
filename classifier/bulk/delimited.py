"""CSV and TSV."""

import csv
import io
from collections.abc import Iterator
from typing import BinaryIO

from classifier.bulk.encoding import detect_delimiter, detect_encoding, read_sample
from classifier.bulk.errors import TableError
from classifier.bulk.formulas import unescape
from classifier.bulk.limits import MAX_RECORD_CHARS
from classifier.bulk.table import EMPTY_ROW, LONG_ROW, Row, Table, column_names, empty_table
from classifier.bulk.view import buffered
from classifier.messages import message

_END = "\uffffend of file\uffff"
OPEN_QUOTE = message(
    "A cell that begins with a quote must end with one. Found: none up to the file's end."
)


class _TooLong(Exception):
    """The record has more than MAX_RECORD_CHARS."""


class _Lines:
    """The lines that csv.reader asks for, never more than one record's characters at a time.

    After the last line comes _END as a record of its own: where it ends up in a cell instead,
    that cell's quote was never closed.
    """

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.taken = 0
        self.ended = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_RECORD_CHARS + 1)
        if not line:
            if self.ended:
                raise StopIteration
            self.ended = True
            return _END
        self.taken += len(line)
        if self.taken > MAX_RECORD_CHARS:
            while line and not line.endswith(("\n", "\r")):
                line = self._text.readline(MAX_RECORD_CHARS)
            raise _TooLong
        return line


class DelimitedTable(Table):
    """Text with a delimiter between its columns, quoted as RFC 4180 has it.

    Lines without any character count as rows (a spreadsheet shows them), save those at the end.
    After a record that is too long reading goes on with the next line.
    """

    def __init__(self, stream: BinaryIO, format_: str) -> None:
        self.format = format_
        self._stream = stream
        encoding = detect_encoding(stream)
        self.encoding, self.bom = encoding.name, encoding.bom
        preferred = "\t" if format_ == "tsv" else ","
        self.delimiter = detect_delimiter(read_sample(stream, encoding), preferred=preferred)
        self.header, self.header_line = self._header()
        self.columns = column_names(self.header)

    def _header(self) -> tuple[tuple[str, ...], int]:
        for line, (cells, problem) in enumerate(self._records(), start=1):
            if problem is not None:
                raise TableError(
                    code="header_broken",
                    rule=message("The first row must hold the names of the columns."),
                    value=problem,
                    remedy=message("Mend the first row."),
                )
            if any(cell.strip() for cell in cells):
                return tuple(cells), line
        raise empty_table(message("a file without any row"))

    def _records(self) -> Iterator[tuple[list[str], str | None]]:
        """The cells of each record and what is wrong with it; no cells for a blank line."""
        with io.TextIOWrapper(buffered(self._stream), encoding=self.encoding, newline="") as text:
            lines = _Lines(text)
            reader = csv.reader(lines, delimiter=self.delimiter)
            while True:
                lines.taken = 0
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except _TooLong:
                    yield [], LONG_ROW
                    continue
                if lines.ended:
                    if cells == [_END]:
                        return
                    cells[-1] = cells[-1].removesuffix(_END)
                    yield [unescape(cell) for cell in cells], OPEN_QUOTE
                    return
                yield [unescape(cell) if cell[:1] == "'" else cell for cell in cells], None

    def rows(self) -> Iterator[Row]:
        columns, width = self.columns, len(self.columns)
        number = blank = 0
        for line, (cells, problem) in enumerate(self._records(), start=1):
            if line <= self.header_line:
                continue
            if not cells and problem is None:
                blank += 1
                continue
            for _ in range(blank):
                number += 1
                yield Row(number, {}, EMPTY_ROW)
            blank = 0
            number += 1
            if problem is None and len(cells) != width:
                problem = _ragged(len(cells), width)
            yield Row(number, dict(zip(columns, cells, strict=False)), problem)


def _ragged(cells: int, width: int) -> str:
    if cells > width:
        return message(
            "A row must have as many cells as the header, {width:,}. Found: {cells:,}; those "
            "beyond the header are left out.",
            width=width,
            cells=cells,
        )
    return message(
        "A row must have as many cells as the header, {width:,}. Found: {cells:,}.",
        width=width,
        cells=cells,
    )
