"""manage.py rate_file --engine celery, with the worker in this process."""

import re
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from classifier.bulk_jobs import foreground, work
from classifier.models import BulkJob, Prediction, StoredFile
from tests import reviews

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.csv"
    path.write_bytes(reviews.as_bytes(reviews.rows(300), ".csv"))
    return path


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have this done while the command waits."""

    def does(what: Callable[[], object]) -> None:
        monkeypatch.setattr(foreground, "sleep", lambda seconds: what())

    return does


def rate(source: Path, *arguments: str, engine: str = "celery") -> str:
    out = StringIO()
    target = source.with_name(f"{engine}.csv")
    call_command("rate_file", str(source), str(target), "--engine", engine, *arguments, stdout=out)
    return out.getvalue()


def test_workers_write_what_the_command_itself_writes(
    source: Path, served_model: Path, meanwhile: Callable[..., None]
) -> None:
    meanwhile(work.work)

    said = rate(source)

    assert "300 rows: 294 rated, 6 bad" in said
    checksum = re.findall("[0-9a-f]{64}", said)
    assert checksum == re.findall("[0-9a-f]{64}", rate(source, engine="local"))
    assert sorted(path.name for path in source.parent.glob("*.csv*")) == [
        "celery.csv",
        "local.csv",
        "reviews.csv",
    ]
    assert not StoredFile.objects.exists()
    assert not Prediction.objects.exists()


def test_texts_are_kept_where_it_is_asked_for(
    source: Path, served_model: Path, meanwhile: Callable[..., None]
) -> None:
    meanwhile(work.work)
    rate(source, "--keep")
    assert Prediction.objects.filter(source="bulk").count() == 294


def interrupted(source: Path, meanwhile: Callable[..., None]) -> None:
    """The command, ended by Ctrl-C while its job waits."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    meanwhile(interrupt)
    with pytest.raises(KeyboardInterrupt):
        rate(source)


def test_a_command_that_was_interrupted_finds_its_job_again(
    source: Path, served_model: Path, meanwhile: Callable[..., None]
) -> None:
    interrupted(source, meanwhile)
    work.work()

    rate(source)

    assert BulkJob.objects.count() == 1
    assert not source.with_name("celery.csv.job").exists()


def test_another_question_is_another_job(
    source: Path, served_model: Path, meanwhile: Callable[..., None]
) -> None:
    interrupted(source, meanwhile)
    meanwhile(work.work)

    rate(source, "--keep")

    assert BulkJob.objects.count() == 2
    assert Prediction.objects.count() == 294


def test_a_job_that_fails_is_the_commands_error_and_goes_on_when_it_is_started_again(
    source: Path, served_model: Path, meanwhile: Callable[..., None]
) -> None:
    def fail() -> None:
        claim = BulkJob.objects.claim(BulkJob.objects.get().pk)
        assert claim
        claim.fail("No more memory.")

    meanwhile(fail)
    with pytest.raises(CommandError, match=r"failed\. No more memory\."):
        rate(source)
    assert not source.with_name("celery.csv").exists()

    meanwhile(work.work)
    rate(source)
    assert BulkJob.objects.get().status == "succeeded"


def test_it_says_why_a_job_waits(
    source: Path, no_model: Path, meanwhile: Callable[..., None]
) -> None:
    seen = 0

    def look() -> None:
        nonlocal seen
        seen += 1
        work.work()
        if seen == 3:
            BulkJob.objects.request_cancel(BulkJob.objects.get().pk)

    meanwhile(look)
    out = StringIO()
    with pytest.raises(CommandError, match="cancelled"):
        call_command(
            "rate_file",
            str(source),
            str(source.with_name("out.csv")),
            "--engine",
            "celery",
            stdout=out,
        )
    assert out.getvalue().count("Found:") == 1
