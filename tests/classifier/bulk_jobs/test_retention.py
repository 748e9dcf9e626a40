from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from classifier.bulk_jobs import work
from classifier.bulk_jobs.control import retry
from classifier.bulk_jobs.errors import BulkError
from classifier.bulk_jobs.retention import purge
from classifier.bulk_jobs.submission import receive
from classifier.models import BulkChunk, BulkJob, FilePiece, Prediction, StoredFile
from classifier.tasks import purge_expired_texts, reap_bulk_jobs
from tests.classifier.bulk_jobs.conftest import Submit

pytestmark = pytest.mark.django_db


def age(job: BulkJob, hours: float) -> None:
    then = timezone.now() - timedelta(hours=hours)
    BulkJob.objects.filter(pk=job.pk).update(finished_at=then)


def test_delete_now_leaves_the_counts_alone(submitted: Submit, served_model: Path) -> None:
    job = submitted(100, keep_texts=True)
    work.work()

    purge(job)

    job.refresh_from_db()
    assert (job.status, job.rated_rows, job.bad_rows) == ("succeeded", 98, 2)
    assert job.purged_at
    assert job.result is None
    assert not FilePiece.objects.exists()
    assert Prediction.objects.count() == 98
    purge(job)  # a second time it is no error


def test_a_job_that_is_not_over_cannot_be_purged(submitted: Submit) -> None:
    job = submitted(10)

    with pytest.raises(BulkError, match="Cancel it first"):
        purge(job)

    assert FilePiece.objects.exists()


def test_results_go_when_their_time_is_over(
    submitted: Submit, served_model: Path, settings: Settings
) -> None:
    settings.BULK_RETENTION_HOURS = 24
    old, young = submitted(10), submitted(10)
    work.work()
    age(old, 25)
    age(young, 23)

    assert purge_expired_texts.apply().successful()

    old.refresh_from_db()
    young.refresh_from_db()
    assert (old.result, bool(old.purged_at)) == (None, True)
    assert (bool(young.result), young.purged_at) == (True, None)
    assert StoredFile.objects.count() == 1


def test_an_upload_that_was_never_submitted_goes_after_a_day() -> None:
    file = receive(BytesIO(b"text\ngood\n"), "reviews.csv")
    purge_expired_texts.apply()
    assert StoredFile.objects.exists()

    StoredFile.objects.filter(pk=file.pk).update(created_at=timezone.now() - timedelta(hours=25))
    purge_expired_texts.apply()

    assert not StoredFile.objects.exists()


def test_a_failed_job_keeps_its_upload_for_a_retry_and_then_loses_it(submitted: Submit) -> None:
    job = submitted(300)
    claim = BulkJob.objects.claim(job.pk)
    assert claim
    BulkChunk.objects.create(job=job, number=1, rows=1, input=b"")
    claim.fail("for a test")
    age(job, 1)
    purge_expired_texts.apply()
    retry(job)
    job.refresh_from_db()
    assert job.status == "queued"

    BulkJob.objects.filter(pk=job.pk).update(status="failed", finished_at=timezone.now())
    age(job, 25)
    purge_expired_texts.apply()

    with pytest.raises(BulkError, match="without upload"):
        retry(job)
    assert not BulkChunk.objects.exists()
    assert not StoredFile.objects.exists()


def test_what_a_worker_left_that_died_after_the_result_goes_too(
    submitted: Submit, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submitted(300)
    monkeypatch.setattr("classifier.bulk_jobs.coordination.drop_inputs", lambda job: None)
    work.work()
    assert BulkChunk.objects.exists()

    purge_expired_texts.apply()

    job.refresh_from_db()
    assert job.upload is None
    assert not BulkChunk.objects.exists()
    assert StoredFile.objects.get() == job.result


def test_a_cancelled_job_whose_worker_died_leaves_nothing(submitted: Submit) -> None:
    job = submitted(300)
    assert BulkJob.objects.claim(job.pk)
    BulkJob.objects.request_cancel(job.pk)
    BulkJob.objects.filter(pk=job.pk).update(lease_until="2026-01-01T00:00Z")

    assert reap_bulk_jobs.apply().successful()

    job.refresh_from_db()
    assert job.status == "cancelled"
    assert not StoredFile.objects.exists()
