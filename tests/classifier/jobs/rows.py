"""Rows of jobs, and what happens to them from outside."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from classifier.jobs import Claim
from classifier.jobs.database import from_now
from classifier.models import BulkJob

FIELDS = [field.attname for field in BulkJob._meta.concrete_fields]


def submit(**values: Any) -> BulkJob:
    job: BulkJob = BulkJob.objects.create(
        **{"filename": "reviews.csv", "text_column": "text"} | values
    )
    return job


def claimed(job: BulkJob | None = None) -> Claim:
    claim = BulkJob.objects.claim((job or submit()).pk)
    assert claim
    return claim


def row(pk: UUID) -> BulkJob:
    job: BulkJob = BulkJob.objects.get(pk=pk)
    return job


def snapshot(pk: UUID) -> dict[str, Any]:
    """Every field of the row."""
    fields: dict[str, Any] = BulkJob.objects.values(*FIELDS).get(pk=pk)
    return fields


def expire(pk: UUID) -> None:
    """The lease has run out a second ago."""
    gone = from_now(timedelta(seconds=-1))
    assert BulkJob.objects.filter(pk=pk, lease_until__isnull=False).update(lease_until=gone)


def lease_left(pk: UUID) -> float:
    """Seconds until the lease runs out, by the database's clock."""
    job = BulkJob.objects.annotate(now=Now()).get(pk=pk)
    assert job.lease_until
    return float((job.lease_until - job.now).total_seconds())


def queue_in_order(*jobs: BulkJob) -> None:
    """These have waited, the first for longest."""
    for number, job in enumerate(jobs):
        waited = from_now(timedelta(minutes=number - len(jobs)))
        BulkJob.objects.filter(pk=job.pk).update(queued_at=waited)
