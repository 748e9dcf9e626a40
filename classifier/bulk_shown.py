"""What the page of a bulk job says, in words and figures."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils.text import Truncator
from django.utils.translation import gettext, ngettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _

from classifier.bulk_jobs.coordination import RATING, SPLITTING, WRITING
from classifier.bulk_jobs.progress import progress_of
from classifier.bulk_jobs.served import WAITS_FOR_MODEL
from classifier.jobs.progress import Progress
from classifier.messages import from_data, message, told
from classifier.models import BulkJob
from classifier.ratings import LOWEST

STAGES = {
    SPLITTING: _("Reading the file"),
    RATING: pgettext_lazy("what is done now", "Rating"),
    WRITING: _("Writing the result"),
}
SUCCEEDED, FAILED = BulkJob.Status.SUCCEEDED, BulkJob.Status.FAILED
ANNOUNCED = 10  # percent between two things said to those who hear the page
POSITIVE_FROM = 6
CHART_HEIGHT = 120  # of the highest bar, in the picture's own units
BAR_PITCH = 40
SHOWN_BAD_ROWS = 100


@dataclass(frozen=True)
class Bar:
    """One rating of the distribution, and where its bar stands in the picture."""

    rating: int
    rows: int
    share: float
    """Of all rated rows, 0..100."""
    x: int
    height: float

    @property
    def positive(self) -> bool:
        return self.rating >= POSITIVE_FROM

    @property
    def y(self) -> float:
        return CHART_HEIGHT - self.height

    @property
    def middle(self) -> int:
        return self.x + BAR_PITCH // 2


@dataclass(frozen=True)
class ShownJob:
    job: BulkJob
    progress: Progress

    @classmethod
    def of(cls, job: BulkJob) -> "ShownJob":
        return cls(job=job, progress=progress_of(job))

    @property
    def stage(self) -> str:
        job = self.job
        if job.is_over:
            return str(
                {SUCCEEDED: _("Done"), FAILED: _("Failed")}.get(
                    job.Status(job.status), _("Cancelled")
                )
            )
        if job.cancel_requested:
            return gettext("Stopping")
        if job.status == job.Status.RUNNING:
            return str(STAGES.get(job.stage, _("Starting")))
        if job.stage == WAITS_FOR_MODEL:
            return gettext("Waiting for a model")
        if job.attempt:
            return gettext("Waiting for its next turn")
        return gettext("Waiting for a worker")

    @property
    def error(self) -> str:
        """Why it failed or waits."""
        return told(self.job.error)

    @property
    def waits(self) -> bool:
        return bool(self.job.status == self.job.Status.QUEUED)

    @property
    def percent(self) -> int | None:
        """0..100, 100 only once it is; None while it is not known how many rows there are."""
        if not self.progress.total:
            return None
        return 100 * self.progress.done // self.progress.total

    @property
    def time_left(self) -> str:
        seconds = self.progress.seconds_left
        if seconds is None or self.job.cancel_requested:
            return ""
        if seconds < 10:
            return gettext("a few seconds")
        return gettext("about {duration}").format(duration=_duration(seconds))

    @property
    def announcement(self) -> str:
        """What is read aloud when it changes: seldom enough to bear."""
        if self.job.status == self.job.Status.SUCCEEDED:
            return told(
                message(
                    "Done: {rated:,} rows rated, {bad:,} bad.",
                    rated=self.job.rated_rows,
                    bad=self.job.bad_rows,
                )
            )
        if self.percent is None or self.job.is_over:
            return f"{self.stage}."
        percent = self.percent // ANNOUNCED * ANNOUNCED
        return gettext("{stage}: {percent} percent.").format(stage=self.stage, percent=percent)

    @property
    def title(self) -> str:
        name = Truncator(self.job.filename).chars(60)
        if self.job.is_over or self.percent is None:
            return f"{self.stage}: {name}"
        return f"{self.percent} %: {name}"

    @property
    def time_taken(self) -> str:
        if not (self.job.started_at and self.job.finished_at):
            return ""
        return _duration((self.job.finished_at - self.job.started_at).total_seconds())

    @property
    def deleted_at(self) -> datetime | None:
        if self.job.finished_at is None:
            return None
        return self.job.finished_at + timedelta(hours=settings.BULK_RETENTION_HOURS)

    @property
    def has_files(self) -> bool:
        return not self.job.purged_at and bool(self.job.upload_id or self.job.result_id)

    @property
    def can_retry(self) -> bool:
        return self.job.status == "failed" and bool(self.job.upload_id)

    @property
    def summary(self) -> "Summary":
        return Summary.of(self.job)


@dataclass(frozen=True)
class Summary:
    """What was said of all rows together; None where no row was rated."""

    rows: int
    rated: int
    bad: int
    mean_rating: float | None
    positive_share: float | None
    """Share of ratings of POSITIVE_FROM or more, 0..1."""
    ratings: list[int]
    bad_rows: list[tuple[int, str]]
    """Number and reason of the first SHOWN_BAD_ROWS."""

    @classmethod
    def of(cls, job: BulkJob) -> "Summary":
        rated = sum(job.ratings)
        positive = sum(job.ratings[POSITIVE_FROM - LOWEST :])
        total = sum(rating * rows for rating, rows in enumerate(job.ratings, start=LOWEST))
        return cls(
            rows=job.rated_rows + job.bad_rows,
            rated=job.rated_rows,
            bad=job.bad_rows,
            mean_rating=total / rated if rated else None,
            positive_share=positive / rated if rated else None,
            ratings=job.ratings,
            bad_rows=[
                (row, told(from_data(reason)))
                for row, reason in job.bad_row_reasons[:SHOWN_BAD_ROWS]
            ],
        )

    @property
    def positive_percent(self) -> float | None:
        return None if self.positive_share is None else 100 * self.positive_share

    @property
    def more_bad_rows(self) -> int:
        return self.bad - len(self.bad_rows)

    @property
    def bars(self) -> list[Bar]:
        most = max(self.ratings) or 1
        whole = sum(self.ratings) or 1
        return [
            Bar(
                rating=rating,
                rows=rows,
                share=100 * rows / whole,
                x=(rating - LOWEST) * BAR_PITCH,
                # A rating that some row has is never a bar that cannot be seen.
                height=max(2.0, CHART_HEIGHT * rows / most) if rows else 0.0,
            )
            for rating, rows in enumerate(self.ratings, start=LOWEST)
        ]


def _duration(seconds: float) -> str:
    """In the largest unit of which there are two or more."""
    if seconds >= 2 * 3600:
        count = round(seconds / 3600)
        return ngettext("{count} hour", "{count} hours", count).format(count=count)
    if seconds >= 2 * 60:
        count = round(seconds / 60)
        return ngettext("{count} minute", "{count} minutes", count).format(count=count)
    count = max(1, round(seconds))
    return ngettext("{count} second", "{count} seconds", count).format(count=count)


def shown_jobs() -> "QuerySet[BulkJob]":
    found: QuerySet[BulkJob] = BulkJob.objects.select_related("result", "model_version")
    return found
