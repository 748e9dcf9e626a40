import io
import json
from pathlib import Path

import pytest

from classifier.bulk.encoding import NO_DELIMITER
from classifier.bulk.errors import TableError
from classifier.bulk.limits import MAX_RECORD_CHARS
from classifier.bulk.table import EMPTY_ROW, LONG_ROW
from classifier.bulk.tables import open_table
from tests.classifier.bulk.samples import Pieces, rows, table

RUSSIAN = "id;text\n" + "".join(f"{i};Отличный фильм, всем советую\n" for i in range(20))
FRENCH = "id,text\n" + "".join(f"{i},Un café très agréable où dîner\n" for i in range(20))


@pytest.mark.parametrize(
    ("text", "encoding", "found", "bom"),
    [
        (RUSSIAN, "utf-8", "utf-8", False),
        (RUSSIAN, "utf-8-sig", "utf-8-sig", True),
        (RUSSIAN, "utf-16", "utf-16", True),
        (RUSSIAN, "cp1251", "cp1251", False),
        (RUSSIAN.upper(), "cp1251", "cp1251", False),
        (RUSSIAN, "koi8_r", "koi8_r", False),
        (FRENCH, "cp1252", "cp1252", False),
    ],
)
def test_the_encoding_is_found(text: str, encoding: str, found: str, bom: bool) -> None:
    read = table(text.encode(encoding))
    assert (read.encoding, read.bom) == (found, bom)
    assert read.columns == tuple(text.split("\n")[0].replace(",", ";").split(";"))
    line = text.split("\n")[1].split(";" if ";" in text else ",", 1)
    assert list(next(read.rows()).cells.values()) == line


def test_letters_after_a_long_start_without_any_still_tell_the_encoding() -> None:
    text = "id;text\n" + "1;fine\n" * 60_000 + "2;Отличный фильм\n"
    assert rows(text.encode("cp1251"))[-1].cells["text"] == "Отличный фильм"


@pytest.mark.parametrize("place", [3, 60_003])
def test_utf8_with_a_damaged_place_is_refused_with_its_line(place: int) -> None:
    lines = [b"id;text"] + ["1;Отличный фильм".encode()] * 60_010
    lines[place - 1] = lines[place - 1][:-1]
    with pytest.raises(TableError, match=rf"line {place:,}\)") as error:
        table(b"\n".join(lines))
    assert error.value.code == "encoding_broken"


@pytest.mark.parametrize(
    ("content", "name", "code"),
    [
        (b"", "a.csv", "table_empty"),
        (b"\n \n\n", "a.csv", "table_empty"),
        (b"\xef\xbb\xbf", "a.tsv", "table_empty"),
        (b"", "a.jsonl", "table_empty"),
        (b"", "a.xlsx", "xlsx_broken"),
        (b"\0\xff\x98\x81" * 50, "a.csv", "encoding_unknown"),
        ("text,id\n".encode("utf-16-le"), "a.csv", "header_nul"),
        (b"text\n" * 3, "a.pdf", "format_unknown"),
        (b"text\n" * 3, "a", "format_unknown"),
        (b"PK\x03\x04" + b"x" * 50, "a.csv", "format_mismatch"),
        (b"a," * 1000 + b"\n", "a.csv", "columns_too_many"),
        (b'"' + b"x" * MAX_RECORD_CHARS + b'"\n', "a.csv", "header_broken"),
    ],
)
def test_what_is_no_table_is_refused(content: bytes, name: str, code: str) -> None:
    with pytest.raises(TableError) as error:
        open_table(io.BytesIO(content), name)
    assert error.value.code == code
    assert error.value.rule
    assert error.value.remedy


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["reviews.csv", "reviews.tsv"])
def test_every_delimiter_is_found(delimiter: str, name: str) -> None:
    others = ",;\t|".replace(delimiter, "")
    content = f'id{delimiter}text\n1{delimiter}so {others} so\n2{delimiter}"a{delimiter}b"\n'
    read = table(content, name)
    assert read.delimiter == delimiter
    assert [row.cells["text"] for row in read.rows()] == [f"so {others} so", f"a{delimiter}b"]


def test_one_column_keeps_the_commas_in_its_texts() -> None:
    read = table('text\nfine, really; so | so\n"quoted, ""too"""\n')
    assert read.delimiter == NO_DELIMITER
    assert [row.cells["text"] for row in read.rows()] == ["fine, really; so | so", 'quoted, "too"']


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_kinds_are_read_and_kept_in_quotes(end: str) -> None:
    read = rows(f'id,text{end}1,"two{end}lines"{end}2,one{end}')
    assert [row.cells["text"] for row in read] == [f"two{end}lines", "one"]


def test_a_bad_row_is_named_and_the_rest_goes_on() -> None:
    read = rows("a,text\n1,fine\n2\n3,so,so\n\n4,nul \0\n\n\n")
    assert [row.number for row in read] == [1, 2, 3, 4, 5]
    assert [bool(row.problem) for row in read] == [False, True, True, True, False]
    assert read[1].cells == {"a": "2"}
    assert read[2].cells == {"a": "3", "text": "so"}
    assert "Found: 3" in (read[2].problem or "")
    assert read[3].problem == EMPTY_ROW


def test_a_quote_that_is_never_closed_is_a_bad_row_with_what_it_swallowed() -> None:
    [good, bad] = rows('a,text\n1,fine\n2,"open\n3,dull\n')
    assert good.problem is None
    assert "quote" in (bad.problem or "")
    assert bad.cells["text"] == "open\n3,dull\n"


@pytest.mark.parametrize("quote", ["", '"'])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_row_too_long_is_a_bad_one_and_the_next_is_read(quote: str, name: str) -> None:
    start, end = ('{"text":"', '"}\n') if name == "a.jsonl" else (f"1,{quote}", f"{quote}\n")
    header = "" if name == "a.jsonl" else "id,text\n"
    long = start + "x" * 2 * MAX_RECORD_CHARS + end
    read = rows(f"{header}{start}fine{end}{long}{start}dull{end}", name)
    assert [row.problem for row in read] == [None, LONG_ROW, None]
    assert read[2].cells["text"] == "dull"


def test_columns_without_a_name_or_with_one_twice_can_be_chosen() -> None:
    read = table(" text ,,text,text_2,\n1,2,3,4,5\n")
    assert read.columns == ("text", "column_2", "text_3", "text_2", "column_5")
    assert read.header == (" text ", "", "text", "text_2", "")


def test_a_header_alone_is_a_table_without_rows() -> None:
    read = table("id,text")
    assert read.columns == ("id", "text")
    assert list(read.rows()) == []


def test_a_column_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(TableError, match="Choose one of: id, text"):
        table("id,text\n").require("review")


def test_lines_are_counted_as_a_spreadsheet_does() -> None:
    read = table("\n\nid,text\n1,fine\n")
    assert read.line(1) == 4
    assert table('{"text":"fine"}\n', "a.jsonl").line(1) == 1


def test_two_passes_over_one_stream_do_not_disturb_each_other() -> None:
    read = table("text\n" + "".join(f"fine {i}\n" for i in range(50_000)))
    pairs = list(zip(read.rows(), read.rows(), strict=True))
    assert len(pairs) == 50_000
    assert all(one == other for one, other in pairs)


def test_a_path_is_opened_and_closed(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"text": "fine"}', encoding="utf-8")
    with open_table(tmp_path / "a.ndjson") as read:
        assert read.format == "jsonl"
        assert next(read.rows()).cells == {"text": "fine"}
    with pytest.raises(ValueError, match="closed"):
        next(read.rows())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"text": "a"', "valid JSON"),
        ("[1]", "a list"),
        ('"text"', "a string"),
        ('{"text": NaN}', "NaN"),
        ('{"text": "a", "n": -Infinity}', "-Infinity"),
        ('{"text": "a", "n": 1e400}', "double"),
        ('{"text": "a", "text": "b"}', "twice"),
        ('{"text": "a", "n": {"x": 1, "x": 2}}', "twice"),
        ('{"text": "a", "n": ' + "9" * 5000 + "}", "too long"),
        ('{"text": ' + "[" * 100_000, "at most. Found: 100,001."),
        ('{"text": "a", "n": ' + "[" * 32 + "]" * 32 + "}", "32 levels"),
        ('{"text": "a", "\\ud800": 1}', "surrogate"),
        (json.dumps({str(key): key for key in range(1001)}), "1,000 keys"),
        ("", "empty row"),
    ],
)
def test_a_bad_line_of_json_is_named_and_the_rest_goes_on(line: str, reason: str) -> None:
    read = rows(f'{{"text": "fine"}}\n{line}\n{{"text": "dull"}}\n', "a.jsonl")
    assert [row.number for row in read] == [1, 2, 3]
    assert reason in (read[1].problem or "")
    assert [row.cells["text"] for row in (read[0], read[2])] == ["fine", "dull"]


def test_columns_of_json_lines_are_the_keys_of_the_first_rows() -> None:
    assert table('{"a": 1}\n[]\n{"b": 2, "a": 3}\n', "a.jsonl").columns == ("a", "b")


def test_a_stream_of_small_pieces_is_read_whole() -> None:
    content = ("id,text\n" + "".join(f"{i},déjà vu {i}\n" for i in range(2000))).encode()
    read = open_table(Pieces(content, piece=3), "a.csv")  # type: ignore[arg-type]
    assert [row.cells["text"] for row in read.rows()] == [f"déjà vu {i}" for i in range(2000)]
