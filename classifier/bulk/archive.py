"""The ZIP file that an XLSX is, opened with bounds: its sizes are its writer's word."""

import struct
import zipfile
import zlib
from typing import IO, BinaryIO
from xml.parsers import expat

from classifier.bulk.errors import TableError
from classifier.bulk.limits import READ_BYTES, XLSX_DIRECTORY_BYTES, XLSX_SMALL_PART_BYTES
from classifier.bulk.view import View, buffered
from classifier.messages import message

_END_OF_DIRECTORY = b"PK\x05\x06"
_ZIP64_LOCATOR = b"PK\x06\x07"
_LONGEST_END = 22 + 65_535  # the record and its comment


def broken_workbook(value: str) -> TableError:
    return TableError(
        code="xlsx_broken",
        rule=message("An XLSX file must be a workbook that a spreadsheet can open."),
        value=value,
        remedy=message("Open it in a spreadsheet and save it as XLSX or CSV (UTF-8) again."),
    )


def too_large(what: str, most: int, found: int) -> TableError:
    return TableError(
        code="xlsx_too_large",
        rule=message(
            "An XLSX file's part may take {most:,} MiB at most when unpacked: {what}.",
            what=what,
            most=most // 1024**2,
        ),
        value=message("{found:,} MiB", found=found // 1024**2),
        remedy=message("Save it as CSV (UTF-8), which has no such limit."),
    )


class Archive:
    """The parts of a workbook. What is read of one ends at the size that it declares."""

    def __init__(self, stream: BinaryIO) -> None:
        _check_directory(stream)
        try:
            self._zip = zipfile.ZipFile(View(stream))
        except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError) as error:
            raise broken_workbook(message("a damaged ZIP file ({error})", error=error)) from error

    def size(self, name: str) -> int | None:
        """Unpacked bytes of a part; None where there is none of this name."""
        try:
            return self._zip.getinfo(name).file_size
        except KeyError:
            return None

    def open(self, name: str) -> IO[bytes]:
        try:
            return self._zip.open(name)
        except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            # RuntimeError: encrypted
            raise broken_workbook(message("no readable {name}", name=name)) from error

    def parse(self, name: str, parser: "expat.XMLParserType", *, small: bool = True) -> None:
        """Run all of a part through a parser."""
        size = self.size(name) or 0
        if small and size > XLSX_SMALL_PART_BYTES:
            raise too_large(name, XLSX_SMALL_PART_BYTES, size)
        with self.open(name) as file:
            while block := self.read(file, name):
                feed(parser, block, name)
            feed(parser, b"", name, final=True)

    @staticmethod
    def read(file: IO[bytes], name: str) -> bytes:
        try:
            return file.read(READ_BYTES)
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, zlib.error) as error:
            raise broken_workbook(message("damaged data in {name}", name=name)) from error

    def close(self) -> None:
        self._zip.close()


def feed(parser: "expat.XMLParserType", block: bytes, name: str, *, final: bool = False) -> None:
    try:
        parser.Parse(block, final)
    except expat.ExpatError as error:
        raise broken_workbook(
            message("damaged XML in {name} ({error})", name=name, error=error)
        ) from error


def xml_parser() -> "expat.XMLParserType":
    """A parser that refuses document types, and with them entities that grow."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 64 * 1024

    def refuse(*_: object) -> None:
        raise broken_workbook(message("an XML document type, which no spreadsheet writes"))

    parser.StartDoctypeDeclHandler = refuse
    return parser


def _check_directory(stream: BinaryIO) -> None:
    """Refuse a list of parts that would take much memory before zipfile reads all of it."""
    file = buffered(stream)
    start = file.read(4)
    if start == b"\xd0\xcf\x11\xe0":
        raise broken_workbook(message("an old or a password-protected workbook"))
    size = file.seek(0, 2)
    file.seek(max(0, size - _LONGEST_END - 20))
    end = file.read()
    place = end.rfind(_END_OF_DIRECTORY)
    if not start.startswith(b"PK") or place < 0 or len(end) < place + 22:
        raise broken_workbook(message("no ZIP file"))
    [directory] = struct.unpack_from("<L", end, place + 12)
    if directory > XLSX_DIRECTORY_BYTES or _ZIP64_LOCATOR in end[max(0, place - 20) : place]:
        raise broken_workbook(message("a ZIP file of far too many parts"))
