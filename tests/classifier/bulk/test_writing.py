import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.bulk.errors import TableError
from classifier.bulk.formulas import escape, unescape
from classifier.bulk.ratings import bad_row
from classifier.bulk.writing import ADDED, added_names, write_result
from tests.classifier.bulk.samples import WriteOnly, ratings, result, table

STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")
PAYLOADS = [
    quotes + start + body
    for start in STARTS
    for quotes in ("", "'", "''")
    for body in (
        "1+1",
        "cmd|' /C calc'!A0",
        'HYPERLINK("http://x.example","a;b")',
        ",=1",
        "",
        "\n=1",
    )
]
PLAIN = ["-1", "+1.5", "-1,5", "+1e-5", "it's", "'tis", "'-5", "''", "'", "", " =1", "a=b", "5-3"]


def test_there_are_at_least_200_payloads() -> None:
    assert len(PAYLOADS) >= 200


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_a_spreadsheet_would_run_is_escaped_and_comes_back(payload: str) -> None:
    if payload in PLAIN:
        return
    assert escape(payload) == f"'{payload}"
    assert unescape(escape(payload)) == payload


@pytest.mark.parametrize("cell", PLAIN)
def test_a_harmless_cell_is_left_alone_both_ways(cell: str) -> None:
    assert escape(cell) == cell
    assert unescape(cell) == cell


@given(st.text("'=+-@\t\r\n\0\uff1d1.a", max_size=8))
def test_the_escape_is_lossless_and_safe(cell: str) -> None:
    written = escape(cell)
    assert unescape(written) == cell
    assert written[:1] not in STARTS or written[1:2].isdigit()


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.xlsx"])
def test_payloads_come_back_through_a_whole_file(name: str) -> None:
    header = "id,text,=n\n" if name != "a.tsv" else "id\ttext\t=n\n"
    first, _ = result(_table_of(PAYLOADS, name, header))
    again = table(first, name)
    assert again.columns == ("id", "text", "=n", *ADDED)
    assert [row.cells["text"] for row in again.rows()] == PAYLOADS
    if name != "a.xlsx":
        reader = csv.reader(
            io.StringIO(first.decode(), newline=""), delimiter="\t" if name == "a.tsv" else ","
        )
        cells = [cell for cells in reader for cell in cells]
        assert not [cell for cell in cells if cell[:1] in STARTS]


def _table_of(texts: list[str], name: str, header: str):  # type: ignore[no-untyped-def]
    if name == "a.xlsx":
        from classifier.bulk.workbook_writer import WorkbookWriter

        out = WriteOnly()
        writer = WorkbookWriter(out, ["id", "text", "=n"])  # type: ignore[arg-type]
        for number, text in enumerate(texts):
            writer.row([number, text, "x"])
        writer.close()
        return table(out.content, name)
    delimiter = "\t" if name == "a.tsv" else ","
    lines = io.StringIO(newline="")
    csv.writer(lines, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(
        [number, escape(text), "x"] for number, text in enumerate(texts)
    )
    return table(header + lines.getvalue(), name)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
            st.text("'=+-@,;\t|\"\r\n\0a1 ", min_size=1, max_size=8),
        ),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from(",;\t|"),
)
def test_export_then_import_then_export_loses_nothing(
    pairs: list[tuple[str, str]], delimiter: str
) -> None:
    first, _ = result(table(f"id{delimiter}text\n1{delimiter}x\n"))
    lines = io.StringIO(newline="")
    csv.writer(lines, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows(
        [["id", "text"], *([escape(cell) for cell in pair] for pair in pairs)]
    )
    first, _ = result(table(lines.getvalue()))
    read = table(first)
    assert [(row.cells["id"], row.cells["text"]) for row in read.rows()] == pairs
    second, _ = result(read)
    kept = [(row.cells["id"], row.cells["text"]) for row in table(second).rows()]
    assert kept == pairs


def test_a_csv_keeps_its_columns_rows_and_delimiter() -> None:
    written, summary = result(table('id;text\n1;"odd"\n2\n\n3;ev;en\n4;"a;\n"\n'))
    assert written.decode() == (
        "id;text;label;score;rating;rating_low;rating_high;error\r\n"
        "1;odd;POSITIVE;0.9877;10;8;10;\r\n"
        '2;;;;;;;"A row must have as many cells as the header, 2. Found: 1."\r\n'
        ";;;;;;;A row must have cells. Found: an empty row.\r\n"
        '3;ev;;;;;;"A row must have as many cells as the header, 2. Found: 3; '
        'those beyond the header are left out."\r\n'
        '4;"a;\n";NEGATIVE;0.7500;3;;;\r\n'
    )
    assert (summary.rows, summary.rated, summary.bad) == (5, 2, 3)
    assert [row for row, _ in summary.bad_rows] == [2, 3, 4]


@pytest.mark.parametrize(
    ("encoding", "bom"),
    [("utf-8", False), ("utf-8-sig", True), ("utf-16", True), ("cp1251", False)],
)
def test_the_result_is_utf8_with_a_bom_where_there_was_one(encoding: str, bom: bool) -> None:
    read = table("id;text\n1;Отличный фильм\n".encode(encoding))
    written, _ = result(read)
    assert written.startswith(b"\xef\xbb\xbf") is bom
    assert "1;Отличный фильм;" in written.decode("utf-8-sig")


def test_a_table_of_one_column_gets_commas() -> None:
    written, _ = result(table("text\nso, so\n"))
    header = b"text,label,score,rating,rating_low,rating_high,error\r\n"
    assert written == header + b'"so, so",NEGATIVE,0.7500,3,,,\r\n'


def test_names_that_are_taken_get_a_number_all_together() -> None:
    assert added_names({"text"}) == ADDED
    assert added_names({" Label ", "text"}) == tuple(f"{name}_2" for name in ADDED)
    assert added_names({"label", "error_2"}) == tuple(f"{name}_3" for name in ADDED)
    assert added_names({"rating_low"}) == tuple(f"{name}_2" for name in ADDED)


def test_a_result_can_be_rated_again() -> None:
    once, _ = result(table("text\nodd\n"))
    twice, _ = result(table(once))
    names = ",".join([*ADDED, *(f"{name}_2" for name in ADDED)])
    assert twice.decode().split("\r\n")[0] == f"text,{names}"


def test_json_lines_keep_every_value_as_it_stands() -> None:
    lines = [
        '{"text":"odd","n":1.10,"b":12345678901234567890,"e":1E5,"u":"\\u00e9","x":[1, null]}',
        '  {"text": 5 } ',
        "[1, 2]",
        "{}",
        '{"text": "\\ud800"}',
    ]
    written, summary = result(table("\n".join(lines), "a.jsonl"))
    out = written.decode().splitlines()
    assert out[0].startswith(lines[0][:-1] + ", ")
    said = '"label": "POSITIVE", "score": 0.9877, "rating": 10, "rating_low": 8, "rating_high": 10'
    assert out[0].endswith(said + ', "error": null}')
    read = [json.loads(line) for line in out]
    assert read[1]["text"] == 5
    assert [one["label"] for one in read] == ["POSITIVE", None, None, None, None]
    assert set(read[2]) == set(read[3]) == set(ADDED)
    assert all(one["error"] for one in read[1:])
    assert summary.bad == 4


def test_a_key_that_a_late_row_has_is_not_written_twice() -> None:
    lines = ['{"text": "odd"}'] * 200 + ['{"text": "odd", "score": 7}']
    written, _ = result(table("\n".join(lines), "a.jsonl"))
    read = [json.loads(line) for line in written.splitlines()]
    assert read[-1]["score"] == 7
    assert all(one["score_2"] == 0.9877 and "rating_2" in one for one in read)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize("extra", [-1, 1])
def test_ratings_that_do_not_match_the_rows_are_refused(name: str, extra: int) -> None:
    content = 'text\n"a"\n"b"\n' if name == "a.csv" else '{"text": "a"}\n{"text": "b"}\n'
    read = table(content, name)
    given = [*ratings(read), bad_row("more")][: 2 + extra]
    with pytest.raises(TableError) as error:
        write_result(read, iter(given), io.BytesIO())
    assert error.value.code == "ratings_count"


def test_a_header_alone_gets_the_new_columns() -> None:
    assert (
        result(table("id,text\n"))[0]
        == b"id,text,label,score,rating,rating_low,rating_high,error\r\n"
    )
