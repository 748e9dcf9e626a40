"""Texts that somebody wants gone are gone, everywhere, and nothing else is."""

import io
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from classifier.bulk_jobs import work
from classifier.models import AuditEntry, BulkJob, Prediction, text_digest
from tests.factories import make_prediction, make_verdict

pytestmark = pytest.mark.django_db

SECRET = "My name is Ann Other and I loved this film"
OTHER = "a lovely film"


@pytest.fixture(autouse=True)
def quiet_heart(settings: Settings) -> None:
    settings.JOB_HEARTBEAT_SECONDS = 60.0


@pytest.fixture
def runs(settings: Settings, tmp_path: Path) -> Path:
    settings.RUNS_DIR = tmp_path / "runs"
    folder: Path = settings.RUNS_DIR / "mine" / "reviewed"
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"text": [SECRET, OTHER], "label": ["POSITIVE", "POSITIVE"]})
    frame.to_parquet(folder / "train.parquet", index=False)
    return folder


def rated_file(client: Client, text: str, *, rated: bool = True) -> BulkJob:
    # As a formula, for files escape those.
    content = f'review\n"=1 {text}"\n'.encode()
    sent = client.post("/bulk", {"file": SimpleUploadedFile("reviews.csv", content)})
    done = client.post(sent["Location"], {"text_column": 0, "keep_texts": "no"})
    if rated:
        work.work()
    job: BulkJob = BulkJob.objects.get(pk=done["Location"].rsplit("/", 1)[1])
    return job


def dump() -> bytes:
    """Every value of every table."""
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found += [str(value) for row in cursor.fetchall() for value in row]
    return "\n".join(found).encode()


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("purge_texts", *arguments, stdout=out)
    return out.getvalue()


def rate(client: Client, text: str) -> Prediction:
    response = client.post("/", {"text": text})
    return Prediction.objects.get(pk=response["Location"].rsplit("/", 1)[1])


def test_a_visitor_deletes_his_own_text(client: Client, served_graph: Path) -> None:
    prediction = rate(client, SECRET)
    make_verdict(prediction)
    address = prediction.get_absolute_url()
    assert "Delete the review" in client.get(address).content.decode()

    response = client.post(f"{address}/delete")

    assert response["Location"] == address
    assert SECRET.encode() not in dump()
    page = client.get(address).content.decode()
    assert "has been deleted" in page
    assert "Delete the review" not in page
    kept = Prediction.objects.get()
    assert (kept.text_sha256, kept.rating) == (text_digest(SECRET), prediction.rating)
    entry = AuditEntry.objects.get(action=AuditEntry.Action.TEXTS_PURGED)
    assert entry.subject == f"prediction {prediction.pk}"


def test_nobody_deletes_the_text_of_another(client: Client, served_graph: Path) -> None:
    prediction = rate(Client(), SECRET)
    address = prediction.get_absolute_url()
    rate(client, OTHER)

    response = client.post(f"{address}/delete")

    assert response.status_code == 403
    assert "Ask whoever runs the site" in response.content.decode()
    assert "Delete the review" not in client.get(address).content.decode()
    assert client.get(f"{address}/delete").status_code == 405
    prediction.refresh_from_db()
    assert prediction.text == SECRET


@pytest.mark.parametrize("by", ["digest", "prediction", "text-file"])
def test_every_copy_of_a_text_goes(
    by: str, client: Client, served_graph: Path, runs: Path, tmp_path: Path
) -> None:
    text = f"=1 {SECRET}"
    first, second, other = (make_prediction(said) for said in (text, text, OTHER))
    make_verdict(second, note="agreed")
    job, others_job = rated_file(client, SECRET), rated_file(client, OTHER)
    frame = pd.DataFrame({"text": [text, OTHER], "label": ["POSITIVE", "POSITIVE"]})
    frame.to_parquet(runs / "train.parquet", index=False)
    (tmp_path / "text.txt").write_text(f"{text}\n")
    wanted = {
        "digest": text_digest(text),
        "prediction": str(first.pk),
        "text-file": str(tmp_path / "text.txt"),
    }
    assert _holds(SECRET, runs)

    said = run(f"--{by}", wanted[by])

    assert said == (
        "Deleted: 2 texts of predictions, the files of 1 bulk jobs, 1 rows of training data.\n"
    )
    assert not _holds(SECRET, runs)
    other.refresh_from_db()
    assert other.text == OTHER
    assert pd.read_parquet(runs / "train.parquet")["text"].tolist() == [OTHER]
    job.refresh_from_db()
    others_job.refresh_from_db()
    assert job.purged_at is not None
    assert others_job.purged_at is None
    assert run(f"--{by}", wanted[by]).startswith("Deleted: 0 texts")


def _holds(text: str, runs: Path) -> bool:
    kept = pd.read_parquet(runs / "train.parquet")["text"]
    return text.encode() in dump() or text in str(kept[0])


def test_what_is_old_goes(client: Client, served_graph: Path, runs: Path) -> None:
    old = make_prediction(SECRET, created_at=timezone.now() - timedelta(days=31))
    new = make_prediction(OTHER)
    rated_file(client, SECRET)
    BulkJob.objects.update(created_at=timezone.now() - timedelta(days=31))

    assert "1 texts of predictions, the files of 1 bulk jobs, 1 rows" in run(
        "--older-than-days", "30"
    )

    old.refresh_from_db()
    new.refresh_from_db()
    assert (old.text, new.text) == ("", OTHER)
    assert SECRET.encode() not in dump()


def test_a_file_that_is_being_rated_is_named(client: Client, served_graph: Path) -> None:
    rated_file(client, SECRET, rated=False)
    with pytest.raises(CommandError, match="1 bulk jobs are at work"):
        run("--digest", text_digest(f"=1 {SECRET}"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--digest", "abc"), "64 digits"),
        (("--prediction", "abc"), "UUID"),
        (("--prediction", "00000000-0000-4000-8000-000000000000"), "There is no prediction"),
        (("--older-than-days", "-1"), "0 or more"),
        (("--text-file", "/nowhere/at.all"), "cannot be read"),
        ((), "one of the arguments"),
    ],
)
def test_what_names_nothing_is_refused(arguments: tuple[str, ...], said: str) -> None:
    make_prediction(SECRET)
    with pytest.raises(CommandError, match=said):
        run(*arguments)
    assert Prediction.objects.exclude(text="").exists()
