"""The one door to tables: a file's name says its format."""

from pathlib import Path
from typing import BinaryIO

from classifier.bulk.delimited import DelimitedTable
from classifier.bulk.errors import TableError
from classifier.bulk.jsonlines import JsonLinesTable
from classifier.bulk.table import Table
from classifier.bulk.view import buffered
from classifier.messages import message

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".xlsx": "xlsx",
}
_PACKED = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")


def format_of(filename: str) -> str:
    """The format that a file's name says: csv, tsv, jsonl or xlsx.

    Raises:
        TableError: none of these.
    """
    suffix = Path(filename).suffix.lower()
    if suffix not in FORMATS:
        raise TableError(
            code="format_unknown",
            rule=message("A table's name must end in {names}.", names=", ".join(FORMATS)),
            value=repr(suffix) if suffix else message("a name without ending"),
            remedy=message("Save it as CSV (UTF-8) or XLSX."),
        )
    return FORMATS[suffix]


def open_table(source: BinaryIO | Path, filename: str | None = None) -> Table:
    """Open a table; only its beginning is read, and of text files all once for the encoding.

    Args:
        source: a path, or a binary stream that can seek. A stream stays its caller's to close,
            and no one else may read from it in another thread meanwhile.
        filename: the file's name, for its ending; a path has one.

    Raises:
        TableError: it is no table that can be read.
    """
    if isinstance(source, Path):
        kind = format_of(filename or source.name)
        stream: BinaryIO = source.open("rb")
        try:
            table = _open(stream, kind)
        except BaseException:
            stream.close()
            raise
        return _owning(table, stream)
    return _open(source, format_of(filename or ""))


def _open(stream: BinaryIO, kind: str) -> Table:
    if kind == "xlsx":
        from classifier.bulk.workbook import WorkbookTable  # openpyxl takes a while to import

        return WorkbookTable(stream)
    if buffered(stream).read(4) in _PACKED:
        raise TableError(
            code="format_mismatch",
            rule=message("A file must be in the format that its name says."),
            value=message("a spreadsheet or archive that is called {kind}", kind=kind.upper()),
            remedy=message("Rename it to .xlsx, or save it as CSV."),
        )
    return JsonLinesTable(stream) if kind == "jsonl" else DelimitedTable(stream, kind)


def _owning(table: Table, stream: BinaryIO) -> Table:
    close = table.close

    def close_both() -> None:
        close()
        stream.close()

    table.close = close_both  # type: ignore[method-assign]
    return table
