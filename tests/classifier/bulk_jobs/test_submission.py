from io import BytesIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from classifier.bulk.errors import TableError
from classifier.bulk_jobs import submission
from classifier.bulk_jobs.errors import BulkError
from classifier.bulk_jobs.submission import preview_stored, receive, submit, submit_stored
from classifier.files import PIECE_BYTES, delete_stored, open_stored
from classifier.models import BulkJob, FilePiece, Prediction, StoredFile

pytestmark = pytest.mark.django_db

CSV = b"id,text\n1,a lovely film\n2,a dull book\n"
GIVEN = {"text_column": "text", "keep_texts": False, "source": Prediction.Source.FORM}


def test_a_file_becomes_a_job_and_a_worker_is_woken(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, admin_user: User
) -> None:
    with django_capture_on_commit_callbacks() as callbacks:
        job = submit(BytesIO(CSV), "C:\\mine\\reviews.csv", **GIVEN, owner=admin_user)  # type: ignore[arg-type]

    assert len(callbacks) == 1
    assert (job.status, job.filename, job.owner) == ("queued", "reviews.csv", admin_user)
    assert job.upload
    assert open_stored(job.upload).read() == CSV


def test_a_browser_takes_two_steps() -> None:
    file = receive(BytesIO(CSV), "reviews.csv")

    shown = preview_stored(file)
    assert shown.text_column == "text"
    assert shown.rows[0] == ("1", "a lovely film")

    job = submit_stored(file, **GIVEN)  # type: ignore[arg-type]
    assert job.upload == file


def test_a_file_that_is_sent_twice_is_one_job() -> None:
    file = receive(BytesIO(CSV), "reviews.csv")

    first = submit_stored(file, **GIVEN)  # type: ignore[arg-type]
    second = submit_stored(file, **(GIVEN | {"text_column": "id"}))  # type: ignore[arg-type]

    assert first == second
    assert BulkJob.objects.count() == 1


def test_a_file_that_is_sent_twice_at_once_is_one_job(monkeypatch: pytest.MonkeyPatch) -> None:
    file = receive(BytesIO(CSV), "reviews.csv")
    look = submission._look

    def look_and_be_overtaken(*arguments: object) -> None:
        monkeypatch.setattr(submission, "_look", look)
        submit_stored(file, **GIVEN)  # type: ignore[arg-type]

    monkeypatch.setattr(submission, "_look", look_and_be_overtaken)

    second = submit_stored(file, **GIVEN)  # type: ignore[arg-type]

    assert BulkJob.objects.get() == second


@pytest.mark.parametrize(
    ("content", "filename", "code"),
    [
        (CSV, "reviews.doc", "format_unknown"),
        (b"", "reviews.csv", "table_empty"),
        (b"id,text\n", "reviews.csv", "table_without_rows"),
        (b"PK\x03\x04", "reviews.csv", "format_mismatch"),
    ],
)
def test_what_is_no_table_is_refused_and_not_kept(content: bytes, filename: str, code: str) -> None:
    with pytest.raises(TableError) as caught:
        receive(BytesIO(content), filename)

    assert caught.value.code == code
    assert not StoredFile.objects.exists()


def test_a_column_that_is_not_there_is_refused_and_nothing_kept() -> None:
    with pytest.raises(TableError, match="'review'"):
        submit(BytesIO(CSV), "reviews.csv", **(GIVEN | {"text_column": "review"}))  # type: ignore[arg-type]

    assert not StoredFile.objects.exists()
    assert not BulkJob.objects.exists()


def test_a_file_that_is_too_large_is_refused_while_it_is_read(settings: Settings) -> None:
    settings.BULK_MAX_BYTES = 2 * PIECE_BYTES
    stream = BytesIO(b"id,text\n" + b"1,a lovely film\n" * 1_000_000)

    with pytest.raises(BulkError, match="2,097,152 bytes") as caught:
        receive(stream, "reviews.csv")

    assert caught.value.code == "bulk_too_large"
    assert stream.tell() == 3 * PIECE_BYTES
    assert not FilePiece.objects.exists()


def test_no_more_wait_than_may(settings: Settings) -> None:
    settings.BULK_MAX_WAITING = 1
    file = receive(BytesIO(CSV), "second.csv")
    submit(BytesIO(CSV), "first.csv", **GIVEN)  # type: ignore[arg-type]

    for refused in (
        lambda: receive(BytesIO(CSV), "third.csv"),
        lambda: submit_stored(file, **GIVEN),  # type: ignore[arg-type]
    ):
        with pytest.raises(BulkError) as caught:
            refused()
        assert caught.value.code == "bulk_queue_full"
    assert BulkJob.objects.count() == 1


def test_a_file_that_was_purged_meanwhile_cannot_be_submitted() -> None:
    file = receive(BytesIO(CSV), "reviews.csv")
    delete_stored(StoredFile.objects.get())

    with pytest.raises(FileNotFoundError):
        submit_stored(file, **GIVEN)  # type: ignore[arg-type]


def test_a_name_keeps_no_control_characters_and_no_path(tmp_path: Path) -> None:
    assert receive(BytesIO(CSV), "../a\0\ud800/b\nc.csv").name == "b_c.csv"
