import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from django.conf import settings
from django.db import OperationalError as DatabaseError
from django.db import transaction
from kombu.exceptions import OperationalError

from classifier.jobs.database import from_now
from classifier.jobs.job import Status
from classifier.jobs.wake import WAKE_AT_ONCE, wake, wake_on_commit, wake_waiting
from classifier.models import BulkJob
from classifier.tasks import purge_expired_texts
from reviewsite import filequeue
from tests.classifier.jobs.rows import claimed, queue_in_order, row, submit


def messages() -> list[Path]:
    folder = Path(str(settings.CELERY_BROKER_TRANSPORT_OPTIONS["folder"]))
    return sorted(folder.glob("*.msg"))


@pytest.fixture(autouse=True)
def _no_message_of_another_test() -> Iterator[None]:
    for path in messages():
        path.unlink()
    yield
    for path in messages():
        path.unlink()


class Broker:
    """A task's queue, which answers the first `answers` times."""

    def __init__(self, answers: int) -> None:
        self.answers = answers
        self.asked = 0

    def apply_async(self, **options: Any) -> None:
        self.asked += 1
        if self.asked > self.answers:
            raise OperationalError("Connection refused.")


@pytest.mark.django_db
def test_a_message_goes_out_that_names_no_job_and_expires() -> None:
    job = submit()

    assert wake(purge_expired_texts, BulkJob, job.pk) is True

    assert row(job.pk).woken_at is not None
    (path,) = messages()
    headers = json.loads(path.read_text())["headers"]
    assert (headers["task"], headers["argsrepr"], headers["kwargsrepr"]) == (
        purge_expired_texts.name,
        "()",
        "{}",
    )
    left = datetime.fromisoformat(headers["expires"]) - datetime.now(UTC)
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)
    assert str(job.pk) not in path.read_text()


@pytest.mark.django_db
@pytest.mark.parametrize("error", [OperationalError("refused"), ConnectionError(), TimeoutError()])
def test_a_queue_that_does_not_answer_leaves_the_job_waiting(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    job = submit()

    assert wake(Mock(apply_async=Mock(side_effect=error)), BulkJob, job.pk) is False

    assert (row(job.pk).status, row(job.pk).woken_at) == (Status.QUEUED, None)
    assert f"The queue does not answer, so BulkJob {job.pk} waits" in caplog.text


@pytest.mark.django_db
def test_a_database_that_goes_after_the_message_makes_nothing_of_the_request_fail(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job = submit()
    gone = DatabaseError("server closed the connection unexpectedly")
    monkeypatch.setattr(BulkJob.objects, "filter", Mock(side_effect=gone))

    assert wake(Broker(answers=1), BulkJob, job.pk) is True

    assert "could not be kept" in caplog.text


@pytest.mark.django_db
def test_a_full_disk_leaves_the_job_waiting_and_no_half_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    drafts = []

    def on_a_full_disk(path: Path) -> Path:
        draft = tmp_path / path.name
        draft.symlink_to("/dev/full")
        drafts.append(draft)
        return draft

    monkeypatch.setattr(filequeue, "_hidden", on_a_full_disk)
    job = submit()

    assert wake(purge_expired_texts, BulkJob, job.pk) is False

    assert "No space left on device" in caplog.text
    assert row(job.pk).woken_at is None
    assert len(drafts) == 1
    assert (messages(), list(tmp_path.iterdir())) == ([], [])


@pytest.mark.django_db
def test_a_mistake_in_the_task_is_no_silence_of_the_queue() -> None:
    with pytest.raises(TypeError):
        wake(Mock(apply_async=Mock(side_effect=TypeError)), BulkJob, submit().pk)


@pytest.mark.usefixtures("sqlite_file")
def test_a_worker_is_woken_once_it_can_see_the_row() -> None:
    with transaction.atomic():
        job = submit()
        wake_on_commit(purge_expired_texts, job)
        assert messages() == []
    assert len(messages()) == 1
    assert row(job.pk).woken_at is not None


@pytest.mark.usefixtures("sqlite_file")
def test_nobody_is_woken_for_a_row_that_is_rolled_back() -> None:
    with transaction.atomic():
        wake_on_commit(purge_expired_texts, submit())
        transaction.set_rollback(True)
    assert messages() == []
    assert not BulkJob.objects.exists()


@pytest.mark.usefixtures("sqlite_file")
def test_outside_of_a_transaction_a_worker_is_woken_at_once() -> None:
    wake_on_commit(purge_expired_texts, submit())
    assert len(messages()) == 1


@pytest.mark.django_db
def test_only_jobs_that_wait_unwoken_get_another_message() -> None:
    new, forgotten, woken = submit(), submit(), submit()
    BulkJob.objects.filter(pk=forgotten.pk).update(woken_at=from_now(timedelta(seconds=-31)))
    BulkJob.objects.filter(pk=woken.pk).update(woken_at=from_now(timedelta(seconds=-29)))
    claimed()
    claimed().succeed()
    BulkJob.objects.request_cancel(submit().pk)
    before = row(woken.pk).woken_at

    assert wake_waiting(purge_expired_texts, BulkJob) == 2

    assert len(messages()) == 2
    assert row(woken.pk).woken_at == before
    assert wake_waiting(purge_expired_texts, BulkJob) == 0
    assert row(new.pk).woken_at is not None


@pytest.mark.django_db
def test_a_message_that_was_lost_is_sent_again() -> None:
    job = submit()
    wake(purge_expired_texts, BulkJob, job.pk)
    (lost,) = messages()
    lost.unlink()

    assert wake_waiting(purge_expired_texts, BulkJob) == 0
    assert wake_waiting(purge_expired_texts, BulkJob, older_than=0) == 1

    assert len(messages()) == 1


@pytest.mark.django_db
def test_a_few_are_woken_at_once_for_those_that_have_waited_longest() -> None:
    jobs = [submit() for _ in range(WAKE_AT_ONCE + 3)]
    queue_in_order(*reversed(jobs))

    assert wake_waiting(purge_expired_texts, BulkJob) == WAKE_AT_ONCE

    assert [row(job.pk).woken_at is not None for job in jobs] == [False] * 3 + [True] * WAKE_AT_ONCE


@pytest.mark.django_db
def test_a_queue_that_stops_answering_is_asked_no_more() -> None:
    queue_in_order(*(submit() for _ in range(4)))
    broker = Broker(answers=1)

    assert wake_waiting(broker, BulkJob) == 1

    assert broker.asked == 2
    assert BulkJob.objects.filter(woken_at__isnull=True).count() == 3
