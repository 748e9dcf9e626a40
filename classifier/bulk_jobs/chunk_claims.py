"""A worker's hold on one chunk: as that on a job, smaller."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, When
from django.db.models.functions import Now

from classifier.jobs import ClaimLost, persistently
from classifier.jobs.database import from_now
from classifier.jobs.job import new_owner
from classifier.models import BulkChunk, BulkJob, Prediction

MAX_CHUNK_LOSSES = 3  # workers; then its rows are bad
FREE = Q(lease_until__isnull=True) | Q(lease_until__lt=Now())  # held by none that still lives
_TAKEN = ("pk", "number", "rows", "attempt", "worker_losses", "input")


@dataclass(frozen=True)
class ChunkClaim:
    """The right to write what was said of a chunk, until another worker has it."""

    pk: int
    job: UUID
    number: int
    rows: int
    attempt: int
    owner: str
    worker_losses: int
    """How many workers were lost with this chunk before."""
    input: bytes
    lease: float
    """Seconds that each heartbeat adds."""

    model = BulkChunk

    def heartbeat(
        self, *, done: int | None = None, total: int | None = None, stage: str | None = None
    ) -> bool:
        """Renew the lease; whether cancelling the job is asked for.

        Raises:
            ClaimLost: the chunk is another's by now, or gone.
        """
        until = from_now(timedelta(seconds=self.lease))
        if not persistently(lambda: self._mine().update(lease_until=until)):
            raise ClaimLost(self._lost())
        job = BulkJob.objects.filter(pk=self.job).values_list("cancel_requested", flat=True)
        return bool(persistently(job.first))

    def finish(
        self,
        output: bytes,
        *,
        bad_rows: int,
        ratings: Sequence[int],
        predictions: Sequence[Prediction] = (),
    ) -> None:
        """Keep what was said of the chunk, all of it or none, and forget its texts.

        Raises:
            ClaimLost: the chunk is another's by now, or gone; nothing is kept.
        """

        def write() -> None:
            with transaction.atomic():
                written = self._mine().update(
                    output=output,
                    bad_rows=bad_rows,
                    ratings=list(ratings),
                    input=None,
                    rated_at=Now(),
                    lease_until=None,
                )
                if written:
                    Prediction.objects.bulk_create(predictions)
                # One whose answer was lost with the connection is written all the same.
                elif not self._held().filter(rated_at__isnull=False).exists():
                    raise ClaimLost(self._lost())

        persistently(write)

    def give_back(self) -> None:
        """Leave the chunk to others; that is no loss."""
        persistently(lambda: self._mine().update(lease_until=None))

    def _held(self) -> "QuerySet[BulkChunk]":
        return BulkChunk.objects.filter(pk=self.pk, attempt=self.attempt, lease_owner=self.owner)

    def _mine(self) -> "QuerySet[BulkChunk]":
        return self._held().filter(rated_at__isnull=True, lease_until__isnull=False)

    def _lost(self) -> str:
        return f"Chunk {self.number} of {self.job} is no longer attempt {self.attempt}'s."


def unrated(job: UUID) -> "QuerySet[BulkChunk]":
    return BulkChunk.objects.filter(job=job, rated_at__isnull=True)


def claimable(job: UUID) -> "QuerySet[BulkChunk]":
    """Those that no worker holds, or one that has let its lease run out."""
    return unrated(job).filter(FREE)


def claim_chunk(job: UUID, *, lease: float | None = None) -> ChunkClaim | None:
    """Take up a chunk of a job; None where none is to be had now.

    The first in order, but those with which a worker was lost come last: what they do to the
    next one shall not keep the others waiting.

    Args:
        lease: seconds after which the chunk is another's, unless a heartbeat renews it; None
            takes JOB_LEASE_SECONDS.
    """
    owner = new_owner()
    seconds = settings.JOB_LEASE_SECONDS if lease is None else lease

    tried = False

    def take() -> dict[str, Any] | None:
        nonlocal tried
        while True:
            # No other claim has this owner. Also after an update whose answer was lost.
            mine = unrated(job).filter(lease_owner=owner)
            if tried and (taken := mine.values(*_TAKEN).first()):
                return dict(taken)
            first = claimable(job).order_by("worker_losses", "number").values_list("pk", flat=True)
            pk = first.first()
            if pk is None:
                return None
            tried = True
            claimable(job).filter(pk=pk).update(
                attempt=F("attempt") + 1,
                worker_losses=F("worker_losses") + Case(When(lease_until=None, then=0), default=1),
                lease_owner=owner,
                lease_until=from_now(timedelta(seconds=seconds)),
            )

    taken = persistently(take)
    if taken is None:
        return None
    content = bytes(taken.pop("input"))
    return ChunkClaim(job=job, owner=owner, lease=seconds, input=content, **taken)
