"""A file of reviews to rate, and the chunks that workers share."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse

from classifier.jobs import Job
from classifier.models.files import StoredFile
from classifier.models.reviews import Prediction
from classifier.models.versions import ModelVersion
from classifier.ratings import HIGHEST


def no_ratings() -> list[int]:
    return [0] * HIGHEST


class BulkJob(Job):
    """The rating of every row of a file. `done` and `total` are rows."""

    filename = models.CharField(max_length=255, help_text="As its sender called it.")
    # One to one: an upload that is sent twice, by a double click, is one job.
    upload = models.OneToOneField(
        StoredFile, on_delete=models.SET_NULL, null=True, related_name="+", editable=False
    )
    result = models.ForeignKey(
        StoredFile, on_delete=models.SET_NULL, null=True, related_name="+", editable=False
    )
    text_column = models.TextField(help_text="Column with the review.")
    keep_texts = models.BooleanField(
        default=False, help_text="Keep each review as a prediction that can be reviewed."
    )
    source = models.CharField(
        max_length=8, choices=Prediction.Source.choices, default=Prediction.Source.FORM
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False
    )
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, null=True, editable=False
    )
    split_at = models.DateTimeField(
        null=True, editable=False, help_text="When the last of its chunks was made."
    )
    rated_rows = models.PositiveBigIntegerField(default=0, editable=False)
    bad_rows = models.PositiveBigIntegerField(default=0, editable=False)
    ratings = models.JSONField(
        default=no_ratings, editable=False, help_text="Rows of each rating, from 1."
    )
    bad_row_reasons = models.JSONField(
        default=list, editable=False, help_text="[row number, reason] of the first bad rows."
    )
    purged_at = models.DateTimeField(
        null=True, editable=False, help_text="When its files were deleted."
    )

    class Meta(Job.Meta):
        pass

    def __str__(self) -> str:
        return self.filename

    def get_absolute_url(self) -> str:
        return reverse("bulk-job", args=[self.pk])


class BulkChunk(models.Model):
    """Neighbouring rows of a bulk job that one worker rates at once.

    The blobs are the last columns, so that a look at the others need not read past them.
    """

    job = models.ForeignKey(BulkJob, on_delete=models.CASCADE, related_name="chunks")
    number = models.PositiveIntegerField(help_text="From 1.")
    rows = models.PositiveIntegerField()
    attempt = models.PositiveIntegerField(
        default=0, help_text="How often it was taken up; a worker's fence."
    )
    worker_losses = models.PositiveSmallIntegerField(default=0)
    lease_owner = models.CharField(max_length=200, blank=True)
    lease_until = models.DateTimeField(null=True)
    rated_at = models.DateTimeField(null=True)
    bad_rows = models.PositiveIntegerField(default=0)
    ratings = models.JSONField(default=no_ratings, help_text="Rows of each rating, from 1.")
    input = models.BinaryField(null=True, help_text="classifier.bulk's Chunk; none once rated.")
    output = models.BinaryField(null=True, help_text="classifier.bulk's ratings.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="bulk_chunk_unique"),
            models.CheckConstraint(
                condition=Q(rated_at__isnull=True) | Q(lease_until__isnull=True),
                name="bulk_chunk_rated_has_no_lease",
            ),
        ]
        indexes = [
            models.Index(
                fields=["job", "worker_losses", "number"],
                condition=Q(rated_at__isnull=True),
                name="bulk_chunk_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.job_id}[{self.number}]"
