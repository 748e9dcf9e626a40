import contextlib
import datetime
import io
import struct
import zipfile
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.bulk import archive, limits, workbook
from classifier.bulk.errors import TableError
from classifier.bulk.limits import MAX_RECORD_CHARS
from classifier.bulk.table import EMPTY_ROW, LONG_ROW
from classifier.bulk.workbook_writer import WorkbookWriter
from classifier.bulk.writing import ADDED
from tests.classifier.bulk.samples import WriteOnly, ratings, result, table


def saved(*rows: list[Any], **cells: Any) -> bytes:
    """A workbook as openpyxl saves it."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for place, value in cells.items():
        book.active[place] = value
    return to_bytes(book)


def to_bytes(book: Any) -> bytes:
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def repacked(content: bytes, *, sheet: bytes) -> bytes:
    """The same workbook with another sheet."""
    new = {"xl/worksheets/sheet1.xml": sheet}
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", 8) as packed:
        for name in old.namelist():
            packed.writestr(name, new.get(name, old.read(name)))
    return out.getvalue()


def sheet(rows: str) -> bytes:
    """A workbook with these rows of XML."""
    return repacked(
        saved(["text"]),
        sheet=f'<worksheet xmlns="x"><sheetData>{rows}</sheetData></worksheet>'.encode(),
    )


def shared(strings: str, rows: str) -> bytes:
    """A workbook whose texts are in a table of their own, as spreadsheets save it."""
    relation = '<Relationship Id="%s" Type="x/%s" Target="%s"/>'
    parts = {
        "_rels/.rels": "<x>" + relation % ("a", "officeDocument", "xl/workbook.xml") + "</x>",
        "xl/workbook.xml": '<x xmlns:r="r"><sheets><sheet r:id="a"/></sheets></x>',
        "xl/_rels/workbook.xml.rels": "<x>"
        + relation % ("a", "worksheet", "/xl/sheet.xml")
        + relation % ("b", "sharedStrings", "strings.xml")
        + "</x>",
        "xl/sheet.xml": f"<worksheet><sheetData>{rows}</sheetData></worksheet>",
        "xl/strings.xml": f"<sst>{strings}</sst>",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in parts.items():
            packed.writestr(name, content)
    return out.getvalue()


def texts(content: bytes) -> list[Any]:
    return [row.cells.get("text") for row in table(content, "a.xlsx").rows()]


def problem_of(content: bytes) -> str:
    with pytest.raises(TableError) as error:
        list(table(content, "a.xlsx").rows())
    return f"{error.value.code}: {error.value.value}"


def test_values_of_all_kinds_are_read_and_written_again() -> None:
    day, moment = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 13, 30, 5)
    row = ["odd", 1, 2.5, True, day, moment, datetime.time(1, 2), datetime.timedelta(hours=30)]
    header = ["text", "whole", "real", "bool", "day", "moment", "time", "length"]
    written, _ = result(table(saved(header, row), "a.xlsx"))
    read = list(next(table(written, "a.xlsx").rows()).cells.values())
    assert read == [*row, "POSITIVE", 0.9877, 10, 8, 10]
    shown = openpyxl.load_workbook(io.BytesIO(written)).active
    assert shown["F2"].value == moment
    assert shown["E2"].value.date() == day
    assert [cell.value for cell in shown[1]][-6:] == [*ADDED]


def test_numbers_and_dates_in_the_text_column_are_texts() -> None:
    content = saved(["text", "n"], [10, 1], [datetime.date(2024, 5, 10), 1], [2.5, 1], [True, 1])
    said = [rating.error for rating in ratings(table(content, "a.xlsx"))]
    assert said == [None] * 4
    shown = [row.text("text") for row in table(content, "a.xlsx").rows()]
    assert shown == ["10", "2024-05-10", "2.5", "TRUE"]


def test_a_formula_is_its_saved_value_and_without_one_a_bad_row() -> None:
    content = sheet(
        '<row><c t="inlineStr"><is><t>text</t></is></c></row>'
        '<row><c t="str"><f>A9</f><v>lovely</v></c></row><row><c><f>A9</f></c></row>'
    )
    said = list(ratings(table(content, "a.xlsx")))
    assert said[0].label == "NEGATIVE"
    assert "formula" in (said[1].error or "")


def test_texts_that_look_like_formulas_stay_texts() -> None:
    content = saved(["text"], ["x"])
    content = repacked(content, sheet=sheet_xml('<c r="A2" t="inlineStr"><is><t>=1+1</t></is></c>'))
    written, _ = result(table(content, "a.xlsx"))
    cell = openpyxl.load_workbook(io.BytesIO(written)).active["A2"]
    assert (cell.value, cell.data_type) == ("=1+1", "s") or cell.data_type == "inlineStr"
    assert b"<f>" not in zipfile.ZipFile(io.BytesIO(written)).read("xl/worksheets/sheet1.xml")


def sheet_xml(cell: str) -> bytes:
    head = '<row r="1"><c r="A1" t="inlineStr"><is><t>text</t></is></c></row>'
    return (
        f'<worksheet xmlns="x"><sheetData>{head}<row r="2">{cell}</row></sheetData></worksheet>'
    ).encode()


def test_merged_and_empty_cells_and_rows_are_bad_rows_in_their_places() -> None:
    book = openpyxl.Workbook()
    for row in (["id", "text"], [1, "odd"], [2, None], [], [4, "even"]):
        book.active.append(row)
    book.active.merge_cells("B2:B3")
    book.active["A40"].font = openpyxl.styles.Font(bold=True)  # a row of looks alone
    read = table(to_bytes(book), "a.xlsx")
    said = list(ratings(read))
    assert [rating.label for rating in said] == ["POSITIVE", None, None, "NEGATIVE"]
    assert said[2].error == EMPTY_ROW
    assert read.line(4) == 5


def test_the_header_is_the_first_row_that_is_not_empty() -> None:
    read = table(saved(A3="text", A4="odd", A6="even"), "a.xlsx")
    assert read.columns == ("text",)
    assert [(row.number, row.problem) for row in read.rows()] == [
        (1, None),
        (2, EMPTY_ROW),
        (3, None),
    ]
    assert read.line(1) == 4


def test_a_cell_beyond_the_header_is_a_bad_row() -> None:
    [row] = table(saved(["text"], ["odd", None, "note"]), "a.xlsx").rows()
    assert row.cells == {"text": "odd"}
    assert "column 3" in (row.problem or "")


def test_hidden_sheets_are_passed_over() -> None:
    book = openpyxl.Workbook()
    book.active.append(["secret"])
    book.active.sheet_state = "hidden"
    book.create_sheet("seen").append(["text"])
    book.active = 1
    assert table(to_bytes(book), "a.xlsx").columns == ("text",)


def test_dates_that_count_from_1904_are_the_same_dates() -> None:
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    for row in (["text"], [datetime.date(2024, 2, 29)]):
        book.active.append(row)
    assert texts(to_bytes(book)) == [datetime.date(2024, 2, 29)]


def test_rich_texts_are_joined_and_their_readings_left_out() -> None:
    strings = (
        "<si><t>text</t></si><si><r><t>love</t></r><r><t xml:space='preserve'>ly "
        "</t></r><rPh><t>RUBY</t></rPh></si>"
    )
    assert texts(shared(strings, cells_of(0, 1))) == ["lovely "]


def cells_of(*strings: int) -> str:
    return "".join(f'<row><c t="s"><v>{place}</v></c></row>' for place in strings)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=10).filter(bool), min_size=1, max_size=5))
def test_every_text_comes_back(cells: list[str]) -> None:
    out = WriteOnly()
    writer = WorkbookWriter(out, ["text"])  # type: ignore[arg-type]
    for cell in cells:
        writer.row([cell])
    writer.close()
    assert texts(out.content) == cells


@pytest.mark.parametrize("text", ["_x0041_", "_x005F_x0041_", "a\r\nb", "\0\x0b", " a ", "\ufffe"])
def test_what_xml_cannot_hold_comes_back(text: str) -> None:
    out = WriteOnly()
    writer = WorkbookWriter(out, ["text"])  # type: ignore[arg-type]
    writer.row([text])
    writer.close()
    assert texts(out.content) == [text]


def test_the_same_rows_give_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(["text"], ["odd"])
    first, _ = result(table(content, "a.xlsx"))
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert result(table(content, "a.xlsx"))[0] == first
    out = io.BytesIO()  # which can seek
    from classifier.bulk.writing import write_result

    read = table(content, "a.xlsx")
    write_result(read, ratings(read), out)
    assert out.getvalue() == first


def test_many_shared_strings_go_to_a_file_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "_STRINGS_IN_MEMORY", 100)
    strings = [f"déjà vu {i}" for i in range(500)]
    table_of_strings = "".join(f"<si><t>{text}</t></si>" for text in ["text", *strings])
    assert texts(shared(table_of_strings, cells_of(*range(501)))) == strings


def test_a_string_that_is_meant_many_times_makes_bad_rows_and_takes_no_memory() -> None:
    strings = f"<si><t>text</t></si><si><t>{'x' * 50_000}</t></si>"
    header, long = ("<row>" + f'<c t="s"><v>{place}</v></c>' * 30 + "</row>" for place in (0, 1))
    content = shared(strings, header + long)
    [read] = table(content, "a.xlsx").rows()
    assert (read.problem, read.cells) == (LONG_ROW, {})


HEAD = '<row r="1"><c r="A1" t="inlineStr"><is><t>text</t></is></c></row>'


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('<row r="1048577"><c t="n"><v>1</v></c></row>', "row 1,048,577"),
        ('<row r="1"/>', "row 1 after row 1"),
        ('<row r="x"/>', "where a number belongs"),
        ('<row r="2"><c r="XFE2"><v>1</v></c></row>', "out of order"),
        ('<row r="2"><c r="B2"><v>1</v></c><c r="A2"><v>1</v></c></row>', "out of order"),
        ('<row r="2"><c r="?"><v>1</v></c></row>', "a cell called"),
        ('<row r="2"><c t="s"><v>99</v></c></row>', "a text that is missing"),
        ('<row r="2"><c>', "damaged XML"),
    ],
)
def test_a_sheet_that_breaks_the_rules_is_refused(rows: str, said: str) -> None:
    assert said in problem_of(sheet(HEAD + rows))


def test_numbers_that_are_none_stay_what_they_are() -> None:
    cells = "".join(
        f'<row><c s="0"><v>{raw}</v></c></row>' for raw in ("1e999", "abc", "-5", "1e3")
    )
    assert texts(sheet(HEAD + cells)) == ["1e999", "abc", -5, 1000]


def test_an_inline_text_too_long_is_a_bad_row() -> None:
    long = "x" * (MAX_RECORD_CHARS + 1)
    rows = f'<row><c t="inlineStr"><is><t>{long}</t></is></c></row><row><c><v>5</v></c></row>'
    read = list(table(sheet(HEAD + rows), "a.xlsx").rows())
    assert [row.problem for row in read] == [LONG_ROW, None]


def test_entities_that_grow_are_refused() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]><worksheet>&a;</worksheet>'
    assert "document type" in problem_of(repacked(saved(["text"]), sheet=bomb))


@pytest.mark.parametrize("part", ["sheet", "strings"])
def test_parts_that_unpack_to_too_much_are_refused_unread(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "XLSX_UNPACKED_BYTES", 10 * 1024**2)
    blank = " " * (11 * 1024**2)
    content = shared(blank, "") if part == "strings" else shared("", blank)
    assert len(content) < 30_000
    assert problem_of(content).startswith("xlsx_too_large")


def test_a_large_part_beside_the_sheet_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "XLSX_SMALL_PART_BYTES", 100)
    assert problem_of(saved(["text"])).startswith("xlsx_too_large")


def test_a_part_that_is_larger_than_it_says_is_not_read_on() -> None:
    content = shared(" " * 10**6, "")
    honest, lie = struct.pack("<L", 10**6 + 11), struct.pack("<L", 20)
    assert content.count(honest) == 2
    assert problem_of(content.replace(honest, lie)).startswith("xlsx_broken")


def test_a_file_of_far_too_many_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "XLSX_DIRECTORY_BYTES", 100)
    assert "too many parts" in problem_of(saved(["text"]))


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04",
        b"text\nfine\n",
        b"\xd0\xcf\x11\xe0" + b"\0" * 600,
        saved(["text"], ["x"])[:-30],
        saved(["text"], ["x"])[100:],
        saved(),
    ],
)
def test_what_is_no_workbook_is_refused(content: bytes) -> None:
    assert problem_of(content).split(":")[0] in ("xlsx_broken", "table_empty")


WHOLE = saved(["text", "day"], ["odd", datetime.date(2024, 1, 1)])
DAMAGE = st.tuples(st.integers(0, 4000), st.integers(0, 255))


@settings(max_examples=150, deadline=None)
@given(st.lists(DAMAGE, min_size=1, max_size=4))
def test_damage_anywhere_is_an_error_of_ours_or_none(places: list[tuple[int, int]]) -> None:
    content = bytearray(WHOLE)
    for place, value in places:
        content[place] = value
    with contextlib.suppress(TableError):
        list(table(bytes(content), "a.xlsx").rows())


def test_a_result_too_large_for_a_spreadsheet_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("classifier.bulk.workbook_writer.XLSX_UNPACKED_BYTES", 500)
    with pytest.raises(TableError) as error:
        result(table(saved(["text"], *[["odd"]] * 300), "a.xlsx"))
    assert error.value.code == "xlsx_too_large"
    assert limits.XLSX_UNPACKED_BYTES < 2**31
