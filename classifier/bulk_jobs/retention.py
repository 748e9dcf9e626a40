"""How long the files of bulk jobs are kept."""

import logging
from datetime import timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from classifier.bulk_jobs.errors import BulkError
from classifier.files import delete_stored, delete_unused
from classifier.jobs import persistently
from classifier.jobs.database import from_now
from classifier.jobs.job import STATES
from classifier.messages import message
from classifier.models import BulkChunk, BulkJob

logger = logging.getLogger(__name__)

UNUSED_AFTER = timedelta(days=1)  # an upload that was not submitted, a result half written
DELETED_AT_ONCE = 64  # chunks, so that a large job holds no other writer up


def drop_inputs(job: BulkJob) -> None:
    """Delete the upload of a job that is over, and its chunks: nothing of the texts is left."""
    held = _held(job)
    if not held.is_over:
        return
    delete_stored(held.upload)
    chunks = BulkChunk.objects.filter(job=job)
    while some := persistently(lambda: list(chunks.values_list("pk", flat=True)[:DELETED_AT_ONCE])):
        persistently(lambda some=some: BulkChunk.objects.filter(pk__in=some).delete())  # type: ignore[misc]


def purge(job: BulkJob) -> None:
    """Delete upload and result of a job that is over; its counts stay.

    Predictions that it has kept are not its files: they stay, as all others, for
    TEXT_RETENTION_DAYS.

    Raises:
        BulkError: the job is not over.
    """
    held = _held(job)
    if not held.is_over:
        raise BulkError(
            code="bulk_not_over",
            rule=message("Only the files of a job that is over can be deleted."),
            value=message("{job} is {status}", job=held, status=STATES[held.Status(held.status)]),
            remedy=message("Cancel it first."),
        )
    drop_inputs(job)
    delete_stored(held.result)
    BulkJob.objects.filter(pk=job.pk, purged_at=None).update(purged_at=Now())


def purge_expired() -> int:
    """Delete what is kept longer than it shall be; how many jobs lost their files.

    Results BULK_RETENTION_HOURS after the end of their job, and of failed jobs the upload, which
    was kept for a retry; besides, what a worker that died left behind.
    """
    over = BulkJob.objects.exclude(pk__in=BulkJob.objects.active().values("pk"))
    expired = over.filter(
        purged_at=None,
        finished_at__lt=from_now(-timedelta(hours=settings.BULK_RETENTION_HOURS)),
    )
    purged = 0
    for job in list(expired):
        purge(job)
        purged += 1
    for job in list(
        over.exclude(status=BulkJob.Status.FAILED).filter(
            Q(upload__isnull=False) | Exists(BulkChunk.objects.filter(job=OuterRef("pk")))
        )
    ):
        drop_inputs(job)
    delete_unused(older_than=UNUSED_AFTER)
    return purged


def _held(job: BulkJob) -> BulkJob:
    found = BulkJob.objects.select_related("upload", "result").filter(pk=job.pk)
    held: BulkJob = persistently(found.get)
    return held
