"""A worker's hold on a job: every write names the attempt, so that a lost hold writes nothing."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Now

from classifier.jobs.database import from_now, persistently

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from classifier.jobs.job import Job


class ClaimLost(Exception):
    """The job is another's by now, or over."""


@dataclass(frozen=True)
class Claim:
    """The right to write to a job that runs, until another worker has it.

    Every method raises ClaimLost where that right is gone, and then has changed nothing.
    """

    model: "type[Job]"
    pk: UUID
    attempt: int
    owner: str
    lease: float
    """Seconds that each heartbeat adds."""

    def heartbeat(
        self, *, done: int | None = None, total: int | None = None, stage: str | None = None
    ) -> bool:
        """Renew the lease and say how far the job is; whether its cancelling is asked for."""
        told = {"done": done, "total": total, "stage": stage}
        self.write(**{name: value for name, value in told.items() if value is not None})
        mine = self._mine().values_list("cancel_requested", flat=True)
        asked: bool | None = persistently(mine.first)
        if asked is None:
            raise ClaimLost(self._lost())
        return asked

    def write(self, **fields: Any) -> None:
        """Update fields of the job, and renew the lease."""
        self._update(lease_until=from_now(timedelta(seconds=self.lease)), **fields)

    def progressed(self) -> None:
        """There is progress that the next attempt keeps: losses and pauses no longer count."""
        self.write(worker_losses=0, pauses=0)

    def succeed(self, **fields: Any) -> None:
        self._end(status=self.model.Status.SUCCEEDED, **fields)

    def fail(self, error: str, **fields: Any) -> None:
        self._end(status=self.model.Status.FAILED, error=error, **fields)

    def cancel(self, **fields: Any) -> None:
        self._end(status=self.model.Status.CANCELLED, **fields)

    def release(self, *, keep_place: bool = False, **fields: Any) -> None:
        """Back to the queue, where its next worker goes on.

        One whose cancelling is asked for ends instead: nobody would take it up again.

        Args:
            keep_place: it waits where it did before, not behind all others.
        """
        if not keep_place:
            fields["queued_at"] = Now()
        self._leave(self.model.Status.QUEUED, **fields)

    def pause(self, error: str, **fields: Any) -> None:
        """Leave the job until what it lacks is there; that is no loss of a worker.

        Whoever finds it there calls JobManager.resume. As with `release`, one whose cancelling is
        asked for ends instead.

        Args:
            error: what it lacks.
        """
        from classifier.jobs.job import look_after

        before = persistently(self._mine().values_list("pauses", flat=True).first)
        if before is None:
            raise ClaimLost(self._lost())
        self._leave(
            self.model.Status.PAUSED,
            error=error,
            pauses=before + 1,
            look_at=from_now(look_after(before + 1)),
            **fields,
        )

    def _leave(self, status: str, **fields: Any) -> None:
        asked, cancelled = Q(cancel_requested=True), self.model.Status.CANCELLED
        self._update(
            status=Case(When(asked, then=Value(cancelled)), default=Value(status)),
            finished_at=Case(When(asked, then=Now())),
            lease_until=None,
            woken_at=None,
            stopping=False,
            **fields,
        )

    def lost(self, found: str = "") -> str:
        """The process that worked on it has died: as the reaper, but at once; its new status.

        Args:
            found: a sentence of what is known of its end, for the error.
        """
        from classifier.jobs.job import after_loss

        while job := persistently(self._mine().first):
            changes = after_loss(job, found)
            try:
                self._update(Q(cancel_requested=job.cancel_requested), **changes)
            except ClaimLost:
                continue  # cancelled in between: look again
            return str(changes["status"])
        raise ClaimLost(self._lost())

    def _end(self, **fields: Any) -> None:
        self._update(lease_until=None, finished_at=Now(), stopping=False, **fields)

    def _update(self, *conditions: Q, **fields: Any) -> None:
        unanswered = False

        def update() -> None:
            nonlocal unanswered
            try:
                updated = self._mine().filter(*conditions).update(**fields)
            except (OperationalError, InterfaceError):
                unanswered = True
                raise
            # An update whose answer was lost with the connection may be done all the same.
            if not updated and not (unanswered and self._is_now(fields.get("status"))):
                raise ClaimLost(self._lost())

        persistently(update)

    def _is_now(self, status: Any) -> bool:
        return status is not None and self._held().filter(status=status).exists()

    def _held(self) -> "QuerySet[Job]":
        held: QuerySet[Job] = self.model.objects.filter(
            pk=self.pk, attempt=self.attempt, lease_owner=self.owner
        )
        return held

    def _mine(self) -> "QuerySet[Job]":
        return self._held().filter(status=self.model.Status.RUNNING)

    def _lost(self) -> str:
        return (
            f"{self.model.__name__} {self.pk} is no longer attempt {self.attempt} of {self.owner}."
        )
