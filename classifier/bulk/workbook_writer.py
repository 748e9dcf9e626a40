"""XLSX, written as a stream, the same bytes for the same rows.

openpyxl would put the time into the file and needs memory or temporary files; what a sheet of
values needs is little. Texts are always cells of type text, so that none becomes a formula.
"""

import datetime
import io
import re
import zipfile
from collections.abc import Sequence
from typing import Any, BinaryIO
from xml.sax.saxutils import escape as escape_markup

from openpyxl.utils import get_column_letter
from openpyxl.utils.datetime import to_excel

from classifier.bulk.archive import too_large
from classifier.bulk.limits import XLSX_UNPACKED_BYTES

_BUFFERED_ROWS = 256
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
# What XML cannot hold or would change, and what looks like the escape for it.
_UNHELD = re.compile("[\0-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]|_(?=x[0-9A-Fa-f]{4}_)")
_DATE, _DATETIME, _TIME, _DURATION = 1, 2, 3, 4

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_PARTS = {
    "[Content_Types].xml": f'{_XML}<Types xmlns="{_PACKAGE}/content-types">'
    '<Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{_TYPES}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{_TYPES}.styles+xml"/></Types>',
    "_rels/.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    "</Relationships>",
    "xl/workbook.xml": f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>'
    '<sheet name="Reviews" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
    f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="rId2" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'{_XML}<styleSheet xmlns="{_MAIN}"><numFmts count="4">'
    '<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd hh:mm:ss"/>'
    '<numFmt numFmtId="166" formatCode="hh:mm:ss"/>'
    '<numFmt numFmtId="167" formatCode="[h]:mm:ss"/></numFmts>'
    '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="5"><xf numFmtId="0"/>'
    + "".join(f'<xf numFmtId="{164 + i}" applyNumberFormat="1"/>' for i in range(4))
    + '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/>'
    "</cellStyles></styleSheet>",
}


class _Sink(io.RawIOBase):
    """Writes on and on: so the ZIP file is the same wherever it goes, a disk or a database."""

    def __init__(self, out: BinaryIO) -> None:
        super().__init__()
        self.out: BinaryIO | None = out

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:  # type: ignore[no-untyped-def]
        if self.out is not None:
            self.out.write(bytes(data))
        return len(data)


class WorkbookWriter:
    """One sheet of values. Looks (colours, widths, number formats but dates') are not kept."""

    def __init__(self, out: BinaryIO, header: Sequence[str]) -> None:
        self._sink = _Sink(out)
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED)
        for name, content in _PARTS.items():
            self._zip.writestr(_entry(name), content)
        self._sheet = self._zip.open(_entry("xl/worksheets/sheet1.xml"), "w")
        self._letters = [get_column_letter(place) for place in range(1, len(header) + 1)]
        self._line = 0
        self._size = 0
        self._rows = [f'{_XML}<worksheet xmlns="{_MAIN}"><sheetData>']
        self.row(header)

    def row(self, cells: Sequence[Any]) -> None:
        """Write a row; None and an empty text are no cell.

        Raises:
            TableError: the sheet would be larger than a spreadsheet reads.
        """
        self._line += 1
        line = self._line
        xml = [
            _cell(f"{letter}{line}", cell)
            for letter, cell in zip(self._letters, cells, strict=True)
            if cell is not None and cell != ""
        ]
        self._rows.append(f'<row r="{line}">{"".join(xml)}</row>')
        if len(self._rows) >= _BUFFERED_ROWS:
            self._flush()

    def _flush(self) -> None:
        data = "".join(self._rows).encode()
        self._rows.clear()
        self._size += len(data)
        if self._size > XLSX_UNPACKED_BYTES:
            raise too_large("result", XLSX_UNPACKED_BYTES, self._size)
        self._sheet.write(data)

    def close(self) -> None:
        """Write what is still to write; does not close what it was given."""
        self._rows.append("</sheetData></worksheet>")
        self._flush()
        self._sheet.close()
        self._zip.close()

    def abandon(self) -> None:
        """Write no more. ZipFile would write its end when it is collected."""
        self._sink.out = None
        self._sheet.close()
        self._zip.close()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, date_time=_ZIP_EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = 0o600 << 16
    entry._compresslevel = 3  # type: ignore[attr-defined]  # 3.13: compress_level
    return entry


def _cell(reference: str, value: Any) -> str:
    if isinstance(value, str):
        text = escape_markup(_UNHELD.sub(_escaped, value))
        return f'<c r="{reference}" t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'
    if isinstance(value, bool):
        return f'<c r="{reference}" t="b"><v>{value:d}</v></c>'
    if isinstance(value, int | float):
        return f'<c r="{reference}"><v>{value!r}</v></c>'
    match value:
        case datetime.datetime():
            style = _DATETIME
        case datetime.date():
            style = _DATE
        case datetime.time():
            style = _TIME
        case datetime.timedelta():
            style = _DURATION
        case _:
            raise TypeError(f"A cell cannot hold {type(value).__name__}.")
    return f'<c r="{reference}" s="{style}"><v>{to_excel(value)!r}</v></c>'


def _escaped(match: re.Match[str]) -> str:
    return f"_x{ord(match[0]):04X}_"
