"""CSV and TSV, written as RFC 4180 has it and safe to open in a spreadsheet."""

import re
from collections.abc import Sequence
from typing import Any, BinaryIO

from classifier.bulk.encoding import NO_DELIMITER
from classifier.bulk.formulas import escape

_BUFFERED_ROWS = 512
# Every delimiter, not this file's alone: a spreadsheet that splits at another one would else
# see a new cell, and perhaps a formula, in the middle of a text.
_QUOTED = re.compile('[,;\t|"\r\n]')


class DelimitedWriter:
    def __init__(
        self, out: BinaryIO, header: Sequence[str], *, delimiter: str, bom: bool = False
    ) -> None:
        self._out = out
        self._delimiter = "," if delimiter == NO_DELIMITER else delimiter
        self._lines: list[str] = ["\ufeff"] if bom else []
        self.row(header)

    def row(self, cells: Sequence[Any]) -> None:
        """Write a row; None is an empty cell."""
        line = self._delimiter.join([_cell(cell) if cell else "" for cell in cells])
        self._lines.append(f"{line}\r\n")
        if len(self._lines) >= _BUFFERED_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._out.write("".join(self._lines).encode())
        self._lines.clear()

    def close(self) -> None:
        """Write what is still to write; does not close what it was given."""
        self._flush()

    def abandon(self) -> None:
        """Write no more."""
        self._lines.clear()


def _cell(cell: Any) -> str:
    text = escape(cell) if isinstance(cell, str) else str(cell)
    if _QUOTED.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text
