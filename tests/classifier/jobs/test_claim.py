import os
import socket
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from classifier.jobs import MAX_WORKER_LOSSES, Claim, ClaimLost, database
from classifier.jobs.job import Status
from classifier.models import BulkJob
from tests.classifier.jobs.rows import (
    claimed,
    expire,
    lease_left,
    queue_in_order,
    row,
    snapshot,
    submit,
)

pytestmark = pytest.mark.django_db

WRITES: dict[str, Callable[[Claim], object]] = {
    "heartbeat": lambda claim: claim.heartbeat(done=5, total=9, stage="late"),
    "write": lambda claim: claim.write(stage="late"),
    "progressed": lambda claim: claim.progressed(),
    "succeed": lambda claim: claim.succeed(stage="late"),
    "fail": lambda claim: claim.fail("late"),
    "cancel": lambda claim: claim.cancel(stage="late"),
    "release": lambda claim: claim.release(stage="late"),
    "pause": lambda claim: claim.pause("late"),
    "lost": lambda claim: claim.lost(),
}


def reaped(claim: Claim) -> None:
    expire(claim.pk)
    assert len(BulkJob.objects.reap()) == 1


def claimed_anew(claim: Claim) -> None:
    reaped(claim)
    assert BulkJob.objects.claim(claim.pk)


def failed_by_the_reaper(claim: Claim) -> None:
    claim.write(worker_losses=MAX_WORKER_LOSSES - 1)
    reaped(claim)


def cancelled_by_the_reaper(claim: Claim) -> None:
    assert BulkJob.objects.request_cancel(claim.pk)
    reaped(claim)


def test_a_queued_job_is_claimed_with_a_lease_and_a_new_attempt() -> None:
    job = submit()

    claim = BulkJob.objects.claim(job.pk, lease=30)

    assert claim is not None
    assert (claim.model, claim.pk, claim.attempt, claim.lease) == (BulkJob, job.pk, 1, 30)
    job = row(job.pk)
    assert (job.status, job.attempt, job.lease_owner) == (Status.RUNNING, 1, claim.owner)
    assert job.started_at is not None
    assert 25 < lease_left(job.pk) <= 30


@pytest.mark.parametrize(
    "values",
    [
        {"status": Status.RUNNING, "lease_until": Now()},
        {"status": Status.SUCCEEDED, "finished_at": Now()},
        {"status": Status.FAILED, "finished_at": Now()},
        {"status": Status.CANCELLED, "finished_at": Now()},
        {"cancel_requested": True},
    ],
    ids=lambda values: str(values.get("status", "cancel requested")),
)
def test_no_other_job_is_claimed(values: dict[str, Any]) -> None:
    job = submit(**values)
    before = snapshot(job.pk)

    assert BulkJob.objects.claim(job.pk) is None
    assert BulkJob.objects.claim_next() is None

    assert snapshot(job.pk) == before


def test_a_job_that_is_not_there_is_not_claimed() -> None:
    assert BulkJob.objects.claim(BulkJob().pk) is None


def test_each_claim_is_a_new_attempt_that_forgets_the_last_error_and_not_the_start() -> None:
    first = claimed()
    started = row(first.pk).started_at
    first.release(error="The disk was full.")

    second = claimed(row(first.pk))

    assert (second.attempt, row(first.pk).attempt) == (2, 2)
    assert second.owner != first.owner
    assert (row(first.pk).error, row(first.pk).started_at) == ("", started)


def test_the_job_that_has_waited_longest_is_next() -> None:
    jobs = [submit() for _ in range(3)]
    queue_in_order(jobs[2], jobs[0], jobs[1])

    order = [BulkJob.objects.claim_next() for _ in range(4)]

    assert [claim and claim.pk for claim in order] == [jobs[2].pk, jobs[0].pk, jobs[1].pk, None]


def test_a_released_job_waits_behind_those_that_came_before_its_release() -> None:
    released, other = submit(), submit()
    queue_in_order(released, other)
    claimed(released).release()

    claim = BulkJob.objects.claim_next()

    assert claim is not None
    assert claim.pk == other.pk


def test_claiming_goes_on_past_a_job_that_another_snatches_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    snatched, left = submit(), submit()
    queue_in_order(snatched, left)
    claim = BulkJob.objects.claim
    others: list[Claim | None] = []

    def another_is_first(pk: Any, **kwargs: Any) -> Claim | None:
        if not others:
            others.append(claim(pk))
        return claim(pk, **kwargs)

    monkeypatch.setattr(BulkJob.objects, "claim", another_is_first)
    mine = BulkJob.objects.claim_next()

    assert [other.pk for other in others if other] == [snatched.pk]
    assert mine is not None
    assert mine.pk == left.pk


def test_a_heartbeat_renews_the_lease_and_tells_the_progress() -> None:
    claim = claimed()
    expire(claim.pk)

    assert claim.heartbeat(done=3, total=10, stage="rating") is False

    job = row(claim.pk)
    assert lease_left(claim.pk) > claim.lease - 5
    assert (job.status, job.done, job.total, job.stage) == (Status.RUNNING, 3, 10, "rating")
    claim.heartbeat(done=4)
    job = row(claim.pk)
    assert (job.done, job.total, job.stage) == (4, 10, "rating")


def test_a_heartbeat_says_that_cancelling_is_asked_for() -> None:
    claim = claimed()
    assert BulkJob.objects.request_cancel(claim.pk)
    assert row(claim.pk).status == Status.RUNNING
    assert claim.heartbeat() is True


def test_a_heartbeat_that_the_reaper_follows_at_once_is_a_lost_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = claimed()
    write = Claim.write

    def and_then_the_reaper(self: Claim, **fields: Any) -> None:
        write(self, **fields)
        reaped(self)

    monkeypatch.setattr(Claim, "write", and_then_the_reaper)
    with pytest.raises(ClaimLost):
        held.heartbeat()


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize(
    "happened", [reaped, claimed_anew, failed_by_the_reaper, cancelled_by_the_reaper]
)
def test_who_has_lost_a_job_changes_nothing_of_it(
    happened: Callable[[Claim], None], write: Callable[[Claim], object]
) -> None:
    claim = claimed()
    happened(claim)
    before = snapshot(claim.pk)

    with pytest.raises(ClaimLost, match=rf"{claim.pk} is no longer attempt 1 of {claim.owner}"):
        write(claim)

    assert snapshot(claim.pk) == before


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("fenced", [{"attempt": 2}, {"owner": "another:1:abc"}], ids=str)
def test_attempt_and_owner_both_fence(
    fenced: dict[str, Any], write: Callable[[Claim], object]
) -> None:
    claim = claimed()
    before = snapshot(claim.pk)

    with pytest.raises(ClaimLost):
        write(Claim(**{**vars(claim), **fenced}))

    assert snapshot(claim.pk) == before


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("end", ["succeed", "cancel", "release", "fail"])
def test_who_has_let_a_job_go_changes_nothing_of_it(
    end: str, write: Callable[[Claim], object]
) -> None:
    claim = claimed()
    getattr(claim, end)(*(["It broke."] if end == "fail" else []))
    before = snapshot(claim.pk)

    with pytest.raises(ClaimLost):
        write(claim)

    assert snapshot(claim.pk) == before


@pytest.mark.parametrize(
    ("end", "arguments", "status", "error"),
    [
        ("succeed", [], Status.SUCCEEDED, ""),
        ("fail", ["No column is called text."], Status.FAILED, "No column is called text."),
        ("cancel", [], Status.CANCELLED, ""),
    ],
)
def test_an_end_is_for_ever(end: str, arguments: list[str], status: Status, error: str) -> None:
    claim = claimed()
    claim.write(stopping=True)

    getattr(claim, end)(*arguments, rated_rows=7)

    job = row(claim.pk)
    assert (job.status, job.error, job.rated_rows) == (status, error, 7)
    assert job.is_over
    assert job.finished_at is not None
    assert (job.lease_until, job.stopping) == (None, False)
    before = snapshot(claim.pk)
    assert BulkJob.objects.request_cancel(claim.pk) is False
    assert BulkJob.objects.claim(claim.pk) is None
    assert BulkJob.objects.reap() == []
    assert snapshot(claim.pk) == before


def test_a_released_job_waits_again_and_counts_no_loss() -> None:
    claim = claimed()
    queue_in_order(row(claim.pk))
    BulkJob.objects.filter(pk=claim.pk).update(woken_at=Now(), stopping=True)
    queued_at = row(claim.pk).queued_at

    claim.release(stage="later")

    job = row(claim.pk)
    assert (job.status, job.stage, job.worker_losses) == (Status.QUEUED, "later", 0)
    assert (job.lease_until, job.woken_at, job.finished_at) == (None, None, None)
    assert (job.stopping, job.is_over) == (False, False)
    assert job.queued_at > queued_at


def test_a_released_job_may_keep_its_place() -> None:
    released, other = submit(), submit()
    queue_in_order(released, other)
    claimed(released).release(keep_place=True)

    claim = BulkJob.objects.claim_next()

    assert claim is not None
    assert claim.pk == released.pk


def test_a_job_that_is_to_be_cancelled_ends_at_its_release() -> None:
    claim = claimed()
    assert BulkJob.objects.request_cancel(claim.pk)

    claim.release()

    job = row(claim.pk)
    assert (job.status, job.is_over) == (Status.CANCELLED, True)
    assert job.finished_at is not None


def test_a_job_that_waits_is_cancelled_at_once() -> None:
    job = submit()
    assert BulkJob.objects.request_cancel(job.pk) is True
    job = row(job.pk)
    assert (job.status, job.cancel_requested) == (Status.CANCELLED, True)
    assert job.finished_at is not None
    assert BulkJob.objects.request_cancel(job.pk) is False


def test_a_lost_worker_is_counted_at_once_and_the_third_is_the_end() -> None:
    job = submit()
    statuses = [claimed(job).lost("It took 3 GB.") for _ in range(MAX_WORKER_LOSSES)]

    assert statuses == [Status.QUEUED, Status.QUEUED, Status.FAILED]
    job = row(job.pk)
    assert (job.worker_losses, job.attempt) == (3, 3)
    assert "lost 3 times" in job.error
    assert "Give the worker more memory" in job.error
    assert job.error.endswith(" It took 3 GB.")


def test_lasting_progress_makes_earlier_losses_good() -> None:
    job = submit()
    for _ in range(2 * MAX_WORKER_LOSSES):
        claim = claimed(job)
        claim.progressed()
        assert claim.lost() == Status.QUEUED
    assert row(job.pk).worker_losses == 1


def test_a_worker_that_dies_while_it_is_cancelled_or_stopped_is_no_loss() -> None:
    cancelled, stopped = claimed(), claimed()
    BulkJob.objects.request_cancel(cancelled.pk)
    stopped.write(stopping=True)

    assert cancelled.lost() == Status.CANCELLED
    assert stopped.lost() == Status.QUEUED

    assert (row(cancelled.pk).worker_losses, row(stopped.pk).worker_losses) == (0, 0)
    assert row(stopped.pk).stopping is False


def test_a_job_that_is_cancelled_while_its_loss_is_counted_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = claimed()
    after_loss = Mock(side_effect=_then_cancel(held))
    monkeypatch.setattr("classifier.jobs.job.after_loss", after_loss)

    assert held.lost() == Status.CANCELLED

    assert after_loss.call_count == 2
    assert row(held.pk).status == Status.CANCELLED


def _then_cancel(held: Claim) -> Callable[[BulkJob, str], dict[str, Any]]:
    from classifier.jobs.job import after_loss

    def decided(job: BulkJob, found: str) -> dict[str, Any]:
        changes = after_loss(job, found)
        BulkJob.objects.request_cancel(held.pk)
        return changes

    return decided


@pytest.mark.parametrize(
    ("fields", "constraint"),
    [
        ({"status": "running"}, "running_has_lease"),
        ({"lease_until": Now()}, "running_has_lease"),
        ({"status": "succeeded"}, "over_has_end"),
        ({"finished_at": Now()}, "over_has_end"),
        ({"status": "asleep"}, "status_known"),
        ({"done": 5, "total": 4}, "done_range"),
    ],
)
def test_the_database_refuses_what_no_job_can_be(fields: dict[str, Any], constraint: str) -> None:
    job = submit()
    with pytest.raises(IntegrityError, match=f"bulkjob_{constraint}"), transaction.atomic():
        BulkJob.objects.filter(pk=job.pk).update(**fields)


class Answers:
    """QuerySet.update, whose answer is lost every time that `lose` says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lost = 0
        self.lose = 1
        self.then: Callable[[], object] = Mock()
        self._update = QuerySet.update
        monkeypatch.setattr(QuerySet, "update", lambda rows, **fields: self._run(rows, fields))
        # The tests' own transaction would end the patience, and a broken connection the test.
        monkeypatch.setattr(database, "connection", Mock(in_atomic_block=False))
        monkeypatch.setattr(database, "PAUSE", 0)

    def _run(self, rows: QuerySet, fields: dict[str, Any]) -> int:
        updated = self._update(rows, **fields)
        if self.lost < self.lose:
            self.lost += 1
            self.then()
            raise OperationalError("server closed the connection unexpectedly\n\tThis probably")
        return updated


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    return Answers(monkeypatch)


@pytest.mark.parametrize(
    ("write", "status"),
    [
        ("heartbeat", Status.RUNNING),
        ("write", Status.RUNNING),
        ("progressed", Status.RUNNING),
        ("succeed", Status.SUCCEEDED),
        ("fail", Status.FAILED),
        ("cancel", Status.CANCELLED),
        ("release", Status.QUEUED),
        ("lost", Status.QUEUED),
    ],
)
def test_a_write_whose_answer_was_lost_is_no_lost_claim(
    monkeypatch: pytest.MonkeyPatch, write: str, status: Status
) -> None:
    held = claimed()
    answers = Answers(monkeypatch)

    WRITES[write](held)

    assert answers.lost == 1
    job = row(held.pk)
    assert (job.status, job.worker_losses, job.attempt) == (status, int(write == "lost"), 1)


def test_a_claim_whose_answer_was_lost_is_made_once(answers: Answers) -> None:
    job = submit()

    claim = BulkJob.objects.claim(job.pk)

    assert (answers.lost, row(job.pk).attempt) == (1, 1)
    assert claim is not None
    claim.succeed()


def test_a_write_whose_answer_was_lost_and_the_job_with_it_is_a_lost_claim(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    held = claimed()
    answers = Answers(monkeypatch)

    def another_takes_it() -> None:
        BulkJob.objects.claim(held.pk)

    answers.then = another_takes_it
    with pytest.raises(ClaimLost):
        held.release()
    assert row(held.pk).attempt == 2


def test_owners_say_where_the_worker_is_and_are_never_the_same() -> None:
    owners = {claimed().owner for _ in range(20)}

    assert len(owners) == 20
    assert all(owner.startswith(f"{socket.gethostname()}:{os.getpid()}:") for owner in owners)
