from collections.abc import Callable
from typing import Any

import pytest

from classifier.jobs import MAX_WORKER_LOSSES, ClaimLost, Reaped
from classifier.jobs.job import Status, after_loss
from classifier.models import BulkJob
from tests.classifier.jobs.rows import claimed, expire, row, snapshot, submit

pytestmark = pytest.mark.django_db


def after_the_look(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], Any]) -> None:
    """Between the reaper's look at a job and its update of it."""
    happened: list[Any] = []

    def and_then(job: BulkJob) -> dict[str, Any]:
        changes = after_loss(job)
        if not happened:
            happened.append(True)
            happens()
        return changes

    monkeypatch.setattr("classifier.jobs.job.after_loss", and_then)


def test_only_jobs_whose_lease_has_run_out_are_taken_back() -> None:
    waiting, working, gone = submit(), claimed(), claimed()
    over = claimed()
    over.succeed()
    expire(gone.pk)
    before = {pk: snapshot(pk) for pk in (waiting.pk, working.pk, over.pk)}

    assert BulkJob.objects.reap() == [Reaped(pk=gone.pk, status=Status.QUEUED)]
    assert BulkJob.objects.reap() == []

    job = row(gone.pk)
    assert (job.status, job.worker_losses, job.attempt) == (Status.QUEUED, 1, 1)
    assert (job.lease_until, job.woken_at, job.finished_at) == (None, None, None)
    assert {pk: snapshot(pk) for pk in before} == before


def test_a_job_taken_back_keeps_its_place_in_the_queue() -> None:
    gone = claimed()
    queued_at = row(gone.pk).queued_at
    expire(gone.pk)
    BulkJob.objects.reap()
    assert row(gone.pk).queued_at == queued_at


def test_a_worker_that_was_asked_to_end_is_no_loss() -> None:
    claim = claimed()
    claim.write(stopping=True)
    expire(claim.pk)

    assert [job.status for job in BulkJob.objects.reap()] == [Status.QUEUED]

    assert (row(claim.pk).worker_losses, row(claim.pk).stopping) == (0, False)


def test_a_job_that_was_to_be_cancelled_is_cancelled() -> None:
    claim = claimed()
    claim.write(worker_losses=MAX_WORKER_LOSSES - 1)
    BulkJob.objects.request_cancel(claim.pk)
    expire(claim.pk)

    assert [job.status for job in BulkJob.objects.reap()] == [Status.CANCELLED]

    job = row(claim.pk)
    assert (job.is_over, job.error, job.lease_until) == (True, "", None)
    assert job.finished_at is not None


def test_the_third_loss_is_the_end_and_says_what_helps() -> None:
    job = submit()
    for loss in range(1, MAX_WORKER_LOSSES + 1):
        claimed(job)
        expire(job.pk)
        BulkJob.objects.reap()
        assert row(job.pk).worker_losses == loss

    job = row(job.pk)
    assert (job.status, job.is_over) == (Status.FAILED, True)
    assert job.error == (
        "Its worker was lost 3 times without lasting progress, most likely for want of memory. "
        "Give the worker more memory, or the job less to do at once."
    )
    assert BulkJob.objects.claim(job.pk) is None


def test_a_heartbeat_between_the_look_and_the_update_keeps_the_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim = claimed()
    expire(claim.pk)
    after_the_look(monkeypatch, claim.heartbeat)

    assert BulkJob.objects.reap() == []

    claim.succeed()
    assert row(claim.pk).worker_losses == 0


def test_two_reapers_at_once_count_one_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = claimed()
    expire(claim.pk)
    other: list[Reaped] = []
    after_the_look(monkeypatch, lambda: other.extend(BulkJob.objects.reap()))

    assert BulkJob.objects.reap() == []

    assert [job.pk for job in other] == [claim.pk]
    assert row(claim.pk).worker_losses == 1


def test_a_job_that_was_reaped_and_claimed_and_lost_anew_is_left_to_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim = claimed()
    expire(claim.pk)

    def a_life_in_between() -> None:
        assert len(BulkJob.objects.reap()) == 1
        claimed(row(claim.pk))
        expire(claim.pk)

    after_the_look(monkeypatch, a_life_in_between)
    assert BulkJob.objects.reap() == []
    assert row(claim.pk).worker_losses == 1
    assert len(BulkJob.objects.reap()) == 1
    assert row(claim.pk).worker_losses == 2


def test_a_job_that_is_cancelled_while_it_is_taken_back_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    claim = claimed()
    expire(claim.pk)
    after_the_look(monkeypatch, lambda: BulkJob.objects.request_cancel(claim.pk))

    assert BulkJob.objects.reap() == []
    assert [job.status for job in BulkJob.objects.reap()] == [Status.CANCELLED]

    with pytest.raises(ClaimLost):
        claim.heartbeat()
