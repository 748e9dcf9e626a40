"""Jobs under workers, reapers and users in any order, beside a model of what must come of it.

`JOB_EXAMPLES=1000 JOB_STEPS=50 make test` looks as deep as before a release.
"""

import os
from dataclasses import dataclass
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from classifier.jobs import MAX_WORKER_LOSSES, Claim, ClaimLost
from classifier.jobs.job import Status
from classifier.models import BulkJob
from tests.classifier.jobs.rows import expire, row, snapshot, submit

EXAMPLES = int(os.environ.get("JOB_EXAMPLES", "60"))
STEPS = int(os.environ.get("JOB_STEPS", "30"))
WAITS, RUNS, PAUSED = Status.QUEUED, Status.RUNNING, Status.PAUSED


@dataclass
class Expected:
    """What a job's row must say."""

    status: Status = WAITS
    attempt: int = 0
    worker_losses: int = 0
    pauses: int = 0
    cancel_requested: bool = False
    stopping: bool = False
    expired: bool = False
    holder: Claim | None = None

    def leave(self, status: Status) -> None:
        self.status, self.holder = status, None
        self.stopping = self.expired = False

    def lose_worker(self) -> None:
        if self.cancel_requested:
            self.leave(Status.CANCELLED)
            return
        self.worker_losses += not self.stopping
        self.leave(Status.FAILED if self.worker_losses >= MAX_WORKER_LOSSES else WAITS)


class Lifecycle(RuleBasedStateMachine):
    """Claims are kept when they are lost, as by a worker that was only thought dead."""

    jobs = Bundle("jobs")
    claims = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.expected: dict[UUID, Expected] = {}

    def teardown(self) -> None:
        BulkJob.objects.all().delete()

    # Users

    @rule(target=jobs)
    def submit(self) -> UUID:
        pk = submit().pk
        self.expected[pk] = Expected()
        return pk

    @rule(pk=jobs)
    def request_cancel(self, pk: UUID) -> None:
        job = self.expected[pk]
        asked = BulkJob.objects.request_cancel(pk)
        assert asked == (job.status in (WAITS, RUNS, PAUSED))
        job.cancel_requested |= asked
        if job.status in (WAITS, PAUSED):
            job.leave(Status.CANCELLED)

    # Workers

    @rule(target=claims, pk=jobs)
    def claim(self, pk: UUID) -> object:
        return self.taken_up(BulkJob.objects.claim(pk), pk)

    @rule(target=claims)
    def claim_next(self) -> object:
        claim = BulkJob.objects.claim_next()
        waiting = {pk for pk, job in self.expected.items() if job.status == WAITS}
        assert (claim.pk in waiting) if claim else not waiting
        return self.taken_up(claim, claim.pk) if claim else multiple()

    def taken_up(self, claim: Claim | None, pk: UUID) -> object:
        job = self.expected[pk]
        assert (claim is not None) == (job.status == WAITS)
        if claim is None:
            return multiple()
        job.status, job.holder = RUNS, claim
        job.attempt += 1
        assert claim.attempt == job.attempt
        return claim

    @rule(claim=claims, done=st.integers(0, 9))
    def heartbeat(self, claim: Claim, done: int) -> None:
        asked = self.write(claim, "heartbeat", done=done)
        if asked is not None:
            assert asked == self.expected[claim.pk].cancel_requested

    @rule(claim=claims)
    def stop(self, claim: Claim) -> None:
        if self.write(claim, "write", stopping=True) is not None:
            self.expected[claim.pk].stopping = True

    @rule(claim=claims)
    def progressed(self, claim: Claim) -> None:
        if self.write(claim, "progressed") is not None:
            job = self.expected[claim.pk]
            job.worker_losses = job.pauses = 0

    @rule(claim=claims, end=st.sampled_from(["succeed", "fail", "cancel"]))
    def end(self, claim: Claim, end: str) -> None:
        arguments = ["It broke."] if end == "fail" else []
        if self.write(claim, end, *arguments) is not None:
            over = {"succeed": "succeeded", "fail": "failed", "cancel": "cancelled"}
            self.expected[claim.pk].leave(Status(over[end]))

    @rule(claim=claims)
    def release(self, claim: Claim) -> None:
        if self.write(claim, "release") is not None:
            job = self.expected[claim.pk]
            job.leave(Status.CANCELLED if job.cancel_requested else WAITS)

    @rule(claim=claims)
    def pause(self, claim: Claim) -> None:
        if self.write(claim, "pause", "The disk is full.") is not None:
            job = self.expected[claim.pk]
            job.pauses += 1
            job.leave(Status.CANCELLED if job.cancel_requested else PAUSED)

    @rule(pk=jobs)
    def resume(self, pk: UUID) -> None:
        job = self.expected[pk]
        resumed = BulkJob.objects.resume(pk)
        assert resumed == (job.status == PAUSED)
        if resumed:
            job.leave(WAITS)

    @rule(claim=claims)
    def lose_child(self, claim: Claim) -> None:
        status = self.write(claim, "lost")
        if status is not None:
            self.expected[claim.pk].lose_worker()
            assert status == self.expected[claim.pk].status

    def write(self, claim: Claim, name: str, *arguments: object, **fields: object) -> object:
        """What the claim's holder gets; any other gets ClaimLost, changes nothing: None."""
        job = self.expected[claim.pk]
        held = job.holder == claim
        before = snapshot(claim.pk)
        try:
            answer = getattr(claim, name)(*arguments, **fields)
        except ClaimLost:
            assert not held, f"{name} of {claim} was refused"
            assert snapshot(claim.pk) == before
            return None
        assert held, f"{name} of {claim} was allowed, but the job is {job}"
        job.expired = False
        return answer if answer is not None else True

    # Time

    @rule(pk=jobs)
    def lease_runs_out(self, pk: UUID) -> None:
        job = self.expected[pk]
        if job.status == RUNS:
            expire(pk)
            job.expired = True

    @rule()
    def reap(self) -> None:
        abandoned = {pk for pk, job in self.expected.items() if job.expired}
        reaped = BulkJob.objects.reap()
        assert {job.pk for job in reaped} == abandoned
        assert len(reaped) == len(abandoned)
        for job in reaped:
            self.expected[job.pk].lose_worker()
            assert job.status == self.expected[job.pk].status

    # What holds at any time

    @invariant()
    def rows_are_as_expected(self) -> None:
        for pk, job in self.expected.items():
            found = row(pk)
            # Over stays over, the attempt never falls: the model knows no other way.
            assert (
                found.status,
                found.attempt,
                found.worker_losses,
                found.pauses,
                found.cancel_requested,
                found.stopping,
            ) == (
                job.status,
                job.attempt,
                job.worker_losses,
                job.pauses,
                job.cancel_requested,
                job.stopping,
            )

    @invariant()
    def rows_make_sense(self) -> None:
        for job in BulkJob.objects.all():
            assert (job.status == RUNS) == (job.lease_until is not None)
            assert job.is_over == (job.finished_at is not None)
            if job.status == PAUSED:
                assert job.look_at is not None  # else nobody would ever look
                assert job.error
            if job.status in (WAITS, PAUSED):
                assert job.worker_losses < MAX_WORKER_LOSSES
                assert not job.cancel_requested  # else it would wait for ever
                assert not job.stopping
