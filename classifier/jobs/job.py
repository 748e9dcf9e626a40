"""The abstract row of a job: its states, and who may work on it until when."""

import os
import socket
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from classifier.jobs.claim import Claim
from classifier.jobs.database import from_now, persistently
from classifier.message_field import MessageField
from classifier.messages import message
from reviewsite.logs import request_id as request_ids

MAX_WORKER_LOSSES = 3  # without any lasting progress between them


class Status(models.TextChoices):
    QUEUED = "queued", _("Queued")
    RUNNING = "running", _("Running")
    PAUSED = "paused", _("Paused")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELLED = "cancelled", _("Cancelled")


STATES = {
    Status.QUEUED: message("queued"),
    Status.RUNNING: message("running"),
    Status.PAUSED: message("paused"),
    Status.SUCCEEDED: message("succeeded"),
    Status.FAILED: message("failed"),
    Status.CANCELLED: message("cancelled"),
}
"""In a sentence about a job."""

NOT_OVER = (Status.QUEUED, Status.RUNNING, Status.PAUSED)
LONGEST_PAUSE = 3600.0  # seconds between a pause and the first look whether the job can go on


@dataclass(frozen=True)
class Reaped:
    """A job whose worker was lost, and what became of it."""

    pk: UUID
    status: str


class JobQuerySet(models.QuerySet["Job"]):
    def active(self) -> Self:
        return self.filter(status__in=NOT_OVER)

    def claimable(self) -> Self:
        return self.filter(status=Status.QUEUED, cancel_requested=False)

    def abandoned(self) -> Self:
        """Those whose worker has let its lease run out."""
        return self.filter(status=Status.RUNNING, lease_until__lt=Now())

    def to_look_at(self) -> Self:
        """Those that are paused, and of which a worker should look whether they can go on."""
        return self.filter(Q(look_at=None) | Q(look_at__lte=Now()), status=Status.PAUSED)


class JobManager(models.Manager.from_queryset(JobQuerySet)):  # type: ignore[misc]
    """What is done to a job by those who do not hold it."""

    def claim(self, pk: UUID, *, lease: float | None = None) -> Claim | None:
        """Take up a queued job; None where another worker has it, or it is over.

        Args:
            lease: seconds after which the job is another's, unless a heartbeat renews it; None
                takes JOB_LEASE_SECONDS.
        """
        owner = new_owner()
        seconds = settings.JOB_LEASE_SECONDS if lease is None else lease

        def take() -> int | None:
            self.claimable().filter(pk=pk).update(
                status=Status.RUNNING,
                attempt=F("attempt") + 1,
                lease_owner=owner,
                lease_until=from_now(timedelta(seconds=seconds)),
                started_at=Coalesce(F("started_at"), Now()),
                stopping=False,
                look_at=None,
                error="",
            )
            # No other claim has this owner, so this is the attempt that the update above made.
            mine = self.filter(pk=pk, status=Status.RUNNING, lease_owner=owner)
            attempt: int | None = mine.values_list("attempt", flat=True).first()
            return attempt

        attempt = persistently(take)
        if attempt is None:
            return None
        return Claim(model=self.model, pk=pk, attempt=attempt, owner=owner, lease=seconds)

    def claim_next(self, *, lease: float | None = None) -> Claim | None:
        """Take up the job that has waited longest; None where none waits."""
        tried: set[UUID] = set()
        while True:
            waiting = self.claimable().exclude(pk__in=tried).order_by("queued_at", "pk")
            pk = persistently(waiting.values_list("pk", flat=True).first)
            if pk is None:
                return None
            if claim := self.claim(pk, lease=lease):
                return claim
            tried.add(pk)

    def request_cancel(self, pk: UUID) -> bool:
        """Cancel a job that waits or is paused, ask the worker of one that runs.

        Returns:
            whether it was any of these.
        """
        waits = ~Q(status=Status.RUNNING)
        # In one update: one that is claimed or released meanwhile is found either way.
        return bool(
            self.active()
            .filter(pk=pk)
            .update(
                status=Case(When(waits, then=Value(Status.CANCELLED)), default=F("status")),
                finished_at=Case(When(waits, then=Now())),
                cancel_requested=True,
                look_at=None,
            )
        )

    def resume(self, pk: UUID) -> bool:
        """Queue a paused job: what it lacked is there; False where it is paused no more."""
        return bool(
            self.filter(pk=pk, status=Status.PAUSED).update(
                status=Status.QUEUED, queued_at=Now(), look_at=None, woken_at=None, error=""
            )
        )

    def look_later(self, pk: UUID, *, seconds: float) -> None:
        """A paused job still lacks what it lacked; look again when so much time has passed."""
        self.filter(pk=pk, status=Status.PAUSED).update(
            look_at=from_now(timedelta(seconds=seconds))
        )

    def reap(self) -> list[Reaped]:
        """Take the jobs of lost workers back: to the queue, or to their end."""
        reaped = []
        for job in self.abandoned():
            changes = after_loss(job)
            # Conditional again: its worker may have come back, another reaper have been here, or
            # someone have cancelled it, whom the next look obeys.
            unchanged = self.abandoned().filter(
                pk=job.pk, attempt=job.attempt, cancel_requested=job.cancel_requested
            )
            if unchanged.update(**changes):
                reaped.append(Reaped(pk=job.pk, status=changes["status"]))
        return reaped


class Job(models.Model):
    """A piece of work that outlives requests, workers and messages."""

    Status: ClassVar = Status

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    status = models.CharField(
        _("status"), max_length=9, choices=Status.choices, default=Status.QUEUED
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)
    queued_at = models.DateTimeField(_("queued at"), db_default=Now(), editable=False)
    started_at = models.DateTimeField(_("started at"), null=True, editable=False)
    finished_at = models.DateTimeField(_("finished at"), null=True, editable=False)
    stage = models.CharField(_("stage"), max_length=40, blank=True, editable=False)
    done = models.PositiveBigIntegerField(_("done"), default=0, editable=False)
    total = models.PositiveBigIntegerField(
        _("total"),
        default=0,
        editable=False,
        help_text=_("What `done` will be at the end; 0 is not known yet."),
    )
    error = MessageField(_("error"), blank=True, editable=False)
    cancel_requested = models.BooleanField(_("cancel requested"), default=False, editable=False)
    attempt = models.PositiveIntegerField(
        _("attempt"),
        default=0,
        editable=False,
        help_text=_("How often it was taken up; a worker's fence."),
    )
    worker_losses = models.PositiveSmallIntegerField(
        _("worker losses"),
        default=0,
        editable=False,
        help_text=_("Workers lost since there was lasting progress."),
    )
    pauses = models.PositiveSmallIntegerField(
        _("pauses"),
        default=0,
        db_default=0,
        editable=False,
        help_text=_("How often it was paused since there was lasting progress."),
    )
    look_at = models.DateTimeField(
        _("look at"),
        null=True,
        editable=False,
        help_text=_("When a worker looks whether it can go on, where it is paused."),
    )
    stopping = models.BooleanField(
        _("stopping"),
        default=False,
        editable=False,
        help_text=_("Its worker has been asked to end."),
    )
    lease_owner = models.CharField(_("lease owner"), max_length=200, blank=True, editable=False)
    lease_until = models.DateTimeField(_("lease until"), null=True, editable=False)
    request_id = models.CharField(
        _("request id"),
        max_length=request_ids.LONGEST,
        default=request_ids.current,
        db_default="",
        editable=False,
        blank=True,
        help_text=_("Of the request that made it; in the logs of its worker."),
    )
    woken_at = models.DateTimeField(
        _("woken at"),
        null=True,
        editable=False,
        help_text=_("When a message last went out for it."),
    )

    objects = JobManager()

    class Meta:
        abstract = True
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["status", "lease_until"], name="%(class)s_lease"),
            models.Index(fields=["status", "queued_at"], name="%(class)s_queue"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=Status.values), name="%(class)s_status_known"
            ),
            models.CheckConstraint(
                condition=Q(status=Status.RUNNING, lease_until__isnull=False)
                | (~Q(status=Status.RUNNING) & Q(lease_until__isnull=True)),
                name="%(class)s_running_has_lease",
            ),
            models.CheckConstraint(
                condition=Q(status__in=NOT_OVER, finished_at__isnull=True)
                | (~Q(status__in=NOT_OVER) & Q(finished_at__isnull=False)),
                name="%(class)s_over_has_end",
            ),
            models.CheckConstraint(
                condition=Q(total=0) | Q(done__lte=F("total")), name="%(class)s_done_range"
            ),
        ]

    @property
    def is_over(self) -> bool:
        return self.status not in NOT_OVER


def new_owner() -> str:
    """A name that no other claim has, and that says where to look for the worker."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:12]}"


def look_after(pauses: int) -> timedelta:
    """How long a job that pauses is left before the first look whether it can go on.

    Args:
        pauses: without lasting progress between, this one among them: one that goes on and meets
            the same again waits longer each time, so that it does not turn in circles.
    """
    seconds = settings.REAP_SECONDS * 2.0 ** min(pauses - 1, 30)
    return timedelta(seconds=min(seconds, LONGEST_PAUSE))


def after_loss(job: Job, found: str = "") -> dict[str, Any]:
    """The fields to update of a job whose worker is gone.

    Args:
        found: a sentence of what is known of the last worker's end, for the error.
    """
    over = {"lease_until": None, "finished_at": Now(), "stopping": False}
    if job.cancel_requested:
        return over | {"status": Status.CANCELLED}
    losses = job.worker_losses + (not job.stopping)
    if losses >= MAX_WORKER_LOSSES:
        lost = message(
            "Its worker was lost {losses} times without lasting progress, most likely "
            "for want of memory. Give the worker more memory, or the job less to do at once.",
            losses=losses,
        )
        return over | {
            "status": Status.FAILED,
            "worker_losses": losses,
            "error": message("{lost} {found}", lost=lost, found=found) if found else lost,
        }
    return {
        "status": Status.QUEUED,
        "worker_losses": losses,
        "lease_until": None,
        "woken_at": None,
        "stopping": False,
    }
