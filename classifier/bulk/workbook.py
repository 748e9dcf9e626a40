"""XLSX: the first visible sheet of a workbook, read as a stream.

openpyxl keeps an element for each row that it has read and every shared string, some hundreds of
MB of a million rows. So the sheet's XML goes through expat here, shared strings go to a temporary
file, and openpyxl says what number formats and dates mean.
"""

import datetime
import math
import posixpath
import re
import tempfile
import weakref
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

from classifier.bulk.archive import Archive, broken_workbook, feed, too_large, xml_parser
from classifier.bulk.limits import (
    MAX_COLUMNS,
    MAX_RECORD_CHARS,
    XLSX_COLUMNS,
    XLSX_ROWS,
    XLSX_UNPACKED_BYTES,
)
from classifier.bulk.table import EMPTY_ROW, LONG_ROW, Row, Table, column_names, empty_table
from classifier.exceptions import InvalidText
from classifier.messages import message

_STRINGS_IN_MEMORY = 4 * 1024**2
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.ASCII)

Cell = (
    str
    | int
    | float
    | bool
    | datetime.datetime
    | datetime.date
    | datetime.time
    | (datetime.timedelta)
)


class UnsavedFormula(str):
    """The empty value of a formula that was saved without what it came to."""

    __slots__ = ()


class SheetRow(Row):
    """A row whose texts may have become numbers or dates, which spreadsheets do unasked."""

    __slots__ = ()

    def text(self, column: str) -> object:
        cell = self.cells.get(column)
        if isinstance(cell, UnsavedFormula):
            raise InvalidText(
                code="text_formula",
                rule=message("A formula must be saved with its value."),
                value=message("a formula without"),
                remedy=message("Open the file in a spreadsheet and save it."),
            )
        if isinstance(cell, bool):
            return str(cell).upper()
        return "" if cell is None else str(cell)


class WorkbookTable(Table):
    """The first visible sheet. Formulas are their saved values, merged cells their first cell.

    Empty rows count as rows (a spreadsheet numbers them), save those at the end. The header is
    the first row that is not empty.
    """

    format = "xlsx"

    def __init__(self, stream: BinaryIO) -> None:
        self._archive = Archive(stream)
        self._strings: _Strings | None = None
        try:
            workbook = _Workbook(self._archive)
            self._sheet = workbook.sheet
            strings = (self._archive.size(workbook.strings) or 0) if workbook.strings else 0
            total = (self._archive.size(self._sheet) or 0) + strings
            if total > XLSX_UNPACKED_BYTES:
                raise too_large(message("the sheet"), XLSX_UNPACKED_BYTES, total)
            self._dates = workbook.dates
            self._epoch = workbook.epoch
            if workbook.strings:
                self._strings = _Strings(self._archive, workbook.strings)
            self.header, self.header_line = self._header()
            self.columns = column_names(self.header)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._archive.close()
        if self._strings is not None:
            self._strings.close()

    def _header(self) -> tuple[tuple[str, ...], int]:
        for line, cells, problem in self._records():
            if problem is not None:
                raise broken_workbook(message("a first row too long: {problem}", problem=problem))
            if filled := [place for place, cell in cells.items() if str(cell).strip()]:
                if max(filled) >= MAX_COLUMNS:
                    column_names("x" for _ in range(max(filled) + 1))  # raises, with the count
                return tuple(str(cells.get(i, "")) for i in range(max(filled) + 1)), line
        raise empty_table(message("a sheet without any cell"))

    def _records(self) -> Iterator[tuple[int, dict[int, Cell], str | None]]:
        """Line, cells by their place from 0, and problem of each row that is in the file."""
        strings: Sequence[str] | _Strings = self._strings or ()
        sheet = _Sheet(strings, self._dates, self._epoch)
        with self._archive.open(self._sheet) as file:
            while block := self._archive.read(file, message("the sheet")):
                feed(sheet.parser, block, message("the sheet"))
                yield from sheet.take()
            feed(sheet.parser, b"", message("the sheet"), final=True)
            yield from sheet.take()

    def rows(self) -> Iterator[Row]:
        width = len(self.columns)
        number = 0
        for line, cells, problem in self._records():
            if line <= self.header_line or not (cells or problem):
                continue
            while number + 1 < line - self.header_line:
                number += 1
                yield SheetRow(number, {}, EMPTY_ROW)
            number += 1
            beyond = [place for place in cells if place >= width]
            if problem is None and beyond:
                problem = message(
                    "A row must end where the header does, at column {width:,}. "
                    "Found: a cell in column {column:,}; it is left out.",
                    width=width,
                    column=beyond[0] + 1,
                )
            named = {self.columns[place]: cell for place, cell in cells.items() if place < width}
            yield SheetRow(number, named, problem)


class _Workbook:
    """Where the sheet and the strings lie, which styles are dates, and from when days count."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        base = self._workbook_part()
        folder = posixpath.dirname(base)
        relations = self._relations(base)
        targets = {
            key: posixpath.normpath(posixpath.join(folder, target)).lstrip("/")
            for key, (_, target) in relations.items()
        }
        kinds = {kind: targets[key] for key, (kind, _) in relations.items()}
        self.epoch = CALENDAR_WINDOWS_1900
        self._sheets: list[tuple[str, str]] = []  # relation and state
        parser = xml_parser()
        parser.StartElementHandler = self._workbook_element
        archive.parse(base, parser)
        worksheets = [
            targets[key]
            for key, state in self._sheets
            if key in targets and relations[key][0] == "worksheet" and state == "visible"
        ]
        if not worksheets:
            raise broken_workbook(message("no visible sheet of cells"))
        self.sheet = worksheets[0]
        if archive.size(self.sheet) is None:
            raise broken_workbook(message("a sheet that is not in the file"))
        strings = kinds.get("sharedStrings")
        self.strings = strings if strings and archive.size(strings) is not None else None
        self.dates = self._date_styles(kinds.get("styles"))

    def _workbook_part(self) -> str:
        if self._archive.size("_rels/.rels") is not None:
            for kind, target in self._relations("").values():
                if kind == "officeDocument":
                    return posixpath.normpath(target.lstrip("/"))
        if self._archive.size("xl/workbook.xml") is None:
            raise broken_workbook(message("a ZIP file that is no workbook"))
        return "xl/workbook.xml"

    def _relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Kind and target of what a part refers to, by their ids."""
        folder, name = posixpath.split(part)
        file = posixpath.join(folder, "_rels", f"{name}.rels")
        found = {}

        def start(tag: str, attributes: dict[str, str]) -> None:
            if _local(tag) == "Relationship":
                kind = attributes.get("Type", "").rpartition("/")[2]
                found[attributes.get("Id", "")] = (kind, attributes.get("Target", ""))

        parser = xml_parser()
        parser.StartElementHandler = start
        self._archive.parse(file, parser)
        return found

    def _workbook_element(self, tag: str, attributes: dict[str, str]) -> None:
        match _local(tag):
            case "workbookPr" if attributes.get("date1904") in ("1", "true"):
                self.epoch = CALENDAR_MAC_1904
            case "sheet":
                key = next((v for name, v in attributes.items() if name.endswith(":id")), "")
                self._sheets.append((key, attributes.get("state", "visible")))

    def _date_styles(self, part: str | None) -> dict[int, bool]:
        """The styles that show numbers as dates, and whether as a length of time."""
        if part is None or self._archive.size(part) is None:
            return {}
        formats = dict(BUILTIN_FORMATS)
        used: list[int] = []
        inside = [False]

        def start(tag: str, attributes: dict[str, str]) -> None:
            match _local(tag):
                case "numFmt":
                    code = attributes.get("formatCode", "")[:255]
                    formats[_whole(attributes.get("numFmtId"))] = code
                case "cellXfs":
                    inside[0] = True
                case "xf" if inside[0]:
                    used.append(_whole(attributes.get("numFmtId")))

        def end(tag: str) -> None:
            if _local(tag) == "cellXfs":
                inside[0] = False

        parser = xml_parser()
        parser.StartElementHandler = start
        parser.EndElementHandler = end
        self._archive.parse(part, parser)
        return {
            style: bool(is_timedelta_format(formats[number]))
            for style, number in enumerate(used)
            if number in formats and is_date_format(formats[number])
        }


class _Strings:
    """The shared strings of a workbook: in a temporary file where they are many."""

    def __init__(self, archive: Archive, part: str) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_STRINGS_IN_MEMORY)  # noqa: SIM115
        weakref.finalize(self, self._file.close)  # for tables that no one closes
        self._ends = array("Q", [0])
        self._pieces: list[str] = []
        self._taking = self._phonetic = False
        self._size = 0
        parser = xml_parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._data
        try:
            archive.parse(part, parser, small=False)
        except BaseException:
            self._file.close()
            raise

    def _start(self, tag: str, _: dict[str, str]) -> None:
        match _local(tag):
            case "t":
                self._taking = not self._phonetic
            case "rPh":
                self._phonetic = True

    def _data(self, data: str) -> None:
        if self._taking:
            self._size += len(data)
            if self._size > MAX_RECORD_CHARS:
                raise broken_workbook(
                    message("a cell of more than {most:,} characters", most=MAX_RECORD_CHARS)
                )
            self._pieces.append(data)

    def _end(self, tag: str) -> None:
        match _local(tag):
            case "t":
                self._taking = False
            case "rPh":
                self._phonetic = False
            case "si":
                data = "".join(self._pieces).encode()
                self._pieces.clear()
                self._size = 0
                self._file.write(data)
                self._ends.append(self._ends[-1] + len(data))

    def __len__(self) -> int:
        return len(self._ends) - 1

    def length(self, place: int) -> int:
        """Bytes, and so at least the characters, of a string."""
        return self._ends[place + 1] - self._ends[place]

    def __getitem__(self, place: int) -> str:
        self._file.seek(self._ends[place])
        return self._file.read(self.length(place)).decode()

    def close(self) -> None:
        self._file.close()


class _Sheet:
    """Turns a sheet's XML into rows while it comes in."""

    def __init__(self, strings: Any, dates: dict[int, bool], epoch: datetime.datetime) -> None:
        self._strings = strings
        self._dates = dates
        self._epoch = epoch
        self._columns: dict[str, int] = {}
        self._done: list[tuple[int, dict[int, Cell], str | None]] = []
        self._line = 0
        self._cells: dict[int, Cell] = {}
        self._size = 0
        self._problem: str | None = None
        self._place = -1
        self._type = self._style = ""
        self._pieces: list[str] = []
        self._taking = self._phonetic = self._formula = False
        self.parser = xml_parser()
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data

    def take(self) -> list[tuple[int, dict[int, Cell], str | None]]:
        """The rows that have ended since the last call."""
        done, self._done = self._done, []
        return done

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = _local(tag)
        if tag == "c":
            self._place = self._column(attributes.get("r"))
            self._type = attributes.get("t", "n")
            self._style = attributes.get("s", "0")
            self._formula = False
            self._pieces.clear()
        elif tag == "v" or (tag == "t" and not self._phonetic):
            self._taking = True
        elif tag == "f":
            self._formula = True
        elif tag == "rPh":
            self._phonetic = True
        elif tag == "row":
            line = _whole(attributes["r"]) if "r" in attributes else self._line + 1
            if not self._line < line <= XLSX_ROWS:
                raise broken_workbook(
                    message("row {line:,} after row {last:,}", line=line, last=self._line)
                )
            self._line = line
            self._cells, self._size, self._problem, self._place = {}, 0, None, -1

    def _data(self, data: str) -> None:
        if self._taking and self._fits(len(data)):
            self._pieces.append(data)

    def _end(self, tag: str) -> None:
        tag = _local(tag)
        if tag in ("v", "t"):
            self._taking = False
        elif tag == "rPh":
            self._phonetic = False
        elif tag == "c":
            cell = self._value("".join(self._pieces))
            if cell is not None and self._problem is None:
                self._cells[self._place] = cell
        elif tag == "row" and (self._cells or self._problem):
            self._done.append((self._line, self._cells, self._problem))

    def _fits(self, size: int) -> bool:
        """Whether the row may grow by so much; if not it becomes a bad one, without cells."""
        self._size += size
        if self._size > MAX_RECORD_CHARS:
            self._problem = LONG_ROW
            self._cells = {}
        return self._problem is None

    def _column(self, reference: str | None) -> int:
        if reference is None:
            place = self._place + 1
        elif match := _REFERENCE.fullmatch(reference):
            letters = match[1]
            place = self._columns.get(letters, -1)
            if place < 0:
                place = 0
                for letter in letters:
                    place = place * 26 + ord(letter) - ord("A") + 1
                place -= 1
                self._columns[letters] = place
        else:
            raise broken_workbook(message("a cell called {name!r}", name=reference[:20]))
        if not self._place < place < XLSX_COLUMNS:
            raise broken_workbook(message("cells out of order in row {line:,}", line=self._line))
        return place

    def _value(self, raw: str) -> Cell | None:
        if self._type == "s":
            if not raw:
                return None
            place = _whole(raw)
            if place >= len(self._strings):
                raise broken_workbook(
                    message("a text that is missing, in row {line:,}", line=self._line)
                )
            if not self._fits(self._strings.length(place)):
                return None
            return unescape_xml(self._strings[place]) or None
        if not raw:
            return UnsavedFormula() if self._formula and self._type != "str" else None
        if self._type == "n":
            return self._number(raw)
        if self._type == "b":
            return raw.strip() in ("1", "true")
        return unescape_xml(raw)

    def _number(self, raw: str) -> Cell:
        try:
            number: int | float = int(raw) if len(raw) < 17 and raw.isdigit() else float(raw)
        except ValueError:
            return raw
        if not math.isfinite(number):
            return raw
        timedelta = self._dates.get(_whole(self._style))
        if timedelta is None:
            whole = int(number) if abs(number) < 2**53 else number
            return whole if whole == number else number
        try:
            read: Cell = from_excel(number, self._epoch, timedelta=timedelta)
        except (ValueError, OverflowError):
            return number
        if isinstance(read, datetime.datetime) and read.time() == datetime.time():
            return read.date()
        return read


def unescape_xml(text: str) -> str:
    """A text of a workbook, where _x000D_ stands for characters that XML cannot hold."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def _local(tag: str) -> str:
    return tag if ":" not in tag else tag.rpartition(":")[2]


def _whole(digits: str | None) -> int:
    if digits is None or not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        raise broken_workbook(
            message("{found!r} where a number belongs", found=(digits or "")[:20])
        )
    return int(digits)
