"""How far a bulk job is, by the chunks that are rated."""

from dataclasses import dataclass
from datetime import timedelta

from django.db.models import Sum
from django.db.models.functions import Now

from classifier.jobs import persistently
from classifier.jobs.database import from_now
from classifier.jobs.progress import Progress, seconds_left
from classifier.models import BulkChunk, BulkJob
from classifier.models.bulk import no_ratings

RECENT = 60.0  # seconds that say how fast a job goes


@dataclass(frozen=True)
class Counts:
    rows: int
    """Rows of rated chunks, good and bad."""
    bad: int
    ratings: list[int]
    """Rows of each rating, from LOWEST to HIGHEST."""


def counts_of(job: BulkJob) -> Counts:
    """What the chunks of a job that is not over say by now."""
    rated = BulkChunk.objects.filter(job=job, rated_at__isnull=False)
    rows = bad = 0
    ratings = no_ratings()
    for chunk_rows, chunk_bad, chunk_ratings in persistently(
        lambda: list(rated.values_list("rows", "bad_rows", "ratings"))
    ):
        rows += chunk_rows
        bad += chunk_bad
        ratings = [a + b for a, b in zip(ratings, chunk_ratings, strict=True)]
    return Counts(rows=rows, bad=bad, ratings=ratings)


def progress_of(job: BulkJob) -> Progress:
    """Rows done, of how many, how many a second and how many seconds are left.

    The pace is that of the last RECENT seconds, of all workers together: neither a wait in the
    queue nor a worker that was lost an hour ago makes it look slow.
    """
    if job.is_over or not job.started_at:
        return Progress(done=job.done, total=job.total)
    recent = BulkChunk.objects.filter(job=job, rated_at__gte=from_now(timedelta(seconds=-RECENT)))
    # All but the oldest were rated in the time since that one was.
    oldest = recent.order_by("rated_at", "pk").values("rated_at", "rows").annotate(now=Now())
    first = oldest.first()
    seen = recent.aggregate(rows=Sum("rows"))["rows"] or 0
    rated = BulkChunk.objects.filter(job=job, rated_at__isnull=False)
    done = rated.aggregate(rows=Sum("rows"))["rows"] or 0
    seconds = (first["now"] - first["rated_at"]).total_seconds() if first else 0.0
    rate = (seen - first["rows"]) / seconds if first and seconds > 0 else 0.0
    return Progress(
        done=done,
        total=job.total,
        rate=rate or None,
        seconds_left=seconds_left(done=done, total=job.total, pace=rate),
    )
