"""A file of reviews to rate, and the chunks that workers share."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from classifier.jobs import Job
from classifier.models.files import StoredFile
from classifier.models.reviews import Prediction
from classifier.models.versions import ModelVersion
from classifier.ratings import HIGHEST


def no_ratings() -> list[int]:
    return [0] * HIGHEST


class BulkJob(Job):
    """The rating of every row of a file. `done` and `total` are rows."""

    filename = models.CharField(
        _("filename"), max_length=255, help_text=_("As its sender called it.")
    )
    # One to one: an upload that is sent twice, by a double click, is one job.
    upload = models.OneToOneField(
        StoredFile,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("upload"),
    )
    result = models.ForeignKey(
        StoredFile,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        editable=False,
        verbose_name=_("result"),
    )
    text_column = models.TextField(_("text column"), help_text=_("Column with the review."))
    keep_texts = models.BooleanField(
        _("keep texts"),
        default=False,
        help_text=_("Keep each review as a prediction that can be reviewed."),
    )
    source = models.CharField(
        _("source"), max_length=8, choices=Prediction.Source.choices, default=Prediction.Source.FORM
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        verbose_name=_("owner"),
    )
    model_version = models.ForeignKey(
        ModelVersion,
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        verbose_name=_("model version"),
    )
    split_at = models.DateTimeField(
        _("split at"),
        null=True,
        editable=False,
        help_text=_("When the last of its chunks was made."),
    )
    rated_rows = models.PositiveBigIntegerField(_("rated rows"), default=0, editable=False)
    bad_rows = models.PositiveBigIntegerField(_("bad rows"), default=0, editable=False)
    ratings = models.JSONField(
        _("ratings"),
        default=no_ratings,
        editable=False,
        help_text=_("Rows of each rating, from 1."),
    )
    bad_row_reasons = models.JSONField(
        _("bad row reasons"),
        default=list,
        editable=False,
        help_text=_("[row number, reason] of the first bad rows."),
    )
    purged_at = models.DateTimeField(
        _("purged at"), null=True, editable=False, help_text=_("When its files were deleted.")
    )

    class Meta(Job.Meta):
        verbose_name = _("bulk job")
        verbose_name_plural = _("bulk jobs")

    def __str__(self) -> str:
        return self.filename

    def get_absolute_url(self) -> str:
        return reverse("bulk-job", args=[self.pk])


class BulkChunk(models.Model):
    """Neighbouring rows of a bulk job that one worker rates at once.

    The blobs are the last columns, so that a look at the others need not read past them.
    """

    job = models.ForeignKey(
        BulkJob, on_delete=models.CASCADE, related_name="chunks", verbose_name=_("job")
    )
    number = models.PositiveIntegerField(_("number"), help_text=_("From 1."))
    rows = models.PositiveIntegerField(_("rows"))
    attempt = models.PositiveIntegerField(
        _("attempt"), default=0, help_text=_("How often it was taken up; a worker's fence.")
    )
    worker_losses = models.PositiveSmallIntegerField(_("worker losses"), default=0)
    lease_owner = models.CharField(_("lease owner"), max_length=200, blank=True)
    lease_until = models.DateTimeField(_("lease until"), null=True)
    rated_at = models.DateTimeField(_("rated at"), null=True)
    bad_rows = models.PositiveIntegerField(_("bad rows"), default=0)
    ratings = models.JSONField(
        _("ratings"), default=no_ratings, help_text=_("Rows of each rating, from 1.")
    )
    input = models.BinaryField(
        _("input"), null=True, help_text=_("classifier.bulk's Chunk; none once rated.")
    )
    output = models.BinaryField(_("output"), null=True, help_text=_("classifier.bulk's ratings."))

    class Meta:
        verbose_name = _("bulk chunk")
        verbose_name_plural = _("bulk chunks")
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
