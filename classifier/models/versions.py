"""Which models answer or may, and what those say that nobody hears yet."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from classifier.models.files import StoredFile
from classifier.models.labels import LabelField
from classifier.ratings import HIGHEST, LOWEST
from classifier.task import Task


class ModelVersion(models.Model):
    """A model that has answered or may: its name and the digest of its files."""

    class Status(models.TextChoices):
        SEEN = "seen", _("seen")
        """It has answered, and its files are whoever's who put them there."""
        CANDIDATE = "candidate", _("candidate")
        """Its files are kept, and it may be activated."""
        ACTIVE = "active", _("active")
        RETIRED = "retired", _("retired")
        """It was active, and may be again."""

    name = models.CharField(_("name"), max_length=200)
    revision = models.CharField(
        _("revision"), max_length=64, help_text=_("Digest of the model's files.")
    )
    status = models.CharField(
        _("status"), max_length=9, choices=Status.choices, default=Status.SEEN
    )
    source = models.CharField(
        _("source"), max_length=300, blank=True, help_text=_("Where it was taken from.")
    )
    metrics = models.JSONField(
        _("metrics"), default=dict, blank=True, help_text=_("Its metrics.json.")
    )
    card = models.TextField(_("card"), blank=True, help_text=_("Its README.md."))
    labels = models.JSONField(
        _("labels"),
        null=True,
        editable=False,
        help_text=_("Where they are not the two sentiments."),
    )
    reads_pairs = models.BooleanField(
        _("reads pairs"),
        default=False,
        db_default=False,  # processes of before write rows while others are replaced
        editable=False,
        help_text=_("Whether it reads a second text beside the first."),
    )
    golden = models.JSONField(
        _("golden"),
        default=list,
        editable=False,
        help_text=_("The probabilities that it gave the golden reviews when it was registered."),
    )
    activated_at = models.DateTimeField(_("activated at"), null=True, blank=True, editable=False)
    shadow_share = models.FloatField(
        _("shadow share"),
        default=0.0,
        editable=False,
        help_text=_("The part of live traffic, 0 to 1, that it rates without being heard."),
    )
    shadow_since = models.DateTimeField(_("shadow since"), null=True, editable=False)
    archive = models.ForeignKey(
        StoredFile,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        help_text=_("Its files, for hosts that do not have them."),
        verbose_name=_("archive"),
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("model version")
        verbose_name_plural = _("model versions")
        constraints = [
            models.UniqueConstraint(fields=["name", "revision"], name="model_version_unique"),
            models.UniqueConstraint(
                fields=["status"], condition=Q(status="active"), name="model_version_one_active"
            ),
            models.CheckConstraint(
                condition=Q(shadow_share__gte=0, shadow_share__lte=1),
                name="model_version_shadow_share_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}"

    @property
    def task(self) -> Task:
        """What it is asked for."""
        if self.labels is None:
            return Task(pairs=self.reads_pairs)
        return Task(tuple(self.labels), self.reads_pairs)


class VersionAnswer(models.Model):
    """What a version says of a prediction's text beside the one that answered the visitor."""

    version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, related_name="answers", verbose_name=_("version")
    )
    prediction = models.ForeignKey(
        "classifier.Prediction",
        on_delete=models.CASCADE,
        related_name="other_answers",
        verbose_name=_("prediction"),
    )
    label = LabelField(_("label"))
    positive_probability = models.FloatField(
        _("positive probability"), null=True, blank=True, help_text=_("P(POSITIVE), 0 to 1.")
    )
    rating = models.PositiveSmallIntegerField(
        _("rating"),
        null=True,
        blank=True,
        help_text=_("1 (worst) to 10 (best); none where the labels are not the two sentiments."),
    )
    shadow = models.BooleanField(
        _("shadow"),
        help_text=_("Given in the shadow of live traffic, not for a comparison on verdicts."),
    )
    answered_at = models.DateTimeField(_("answered at"), default=timezone.now)

    class Meta:
        verbose_name = _("version answer")
        verbose_name_plural = _("version answers")
        constraints = [
            models.UniqueConstraint(fields=["version", "prediction"], name="version_answer_unique"),
            models.CheckConstraint(
                condition=Q(rating__gte=LOWEST, rating__lte=HIGHEST),
                name="version_answer_rating_range",
            ),
        ]

    def __str__(self) -> str:
        rating = "" if self.rating is None else f" {self.rating}/{HIGHEST}"
        return f"{self.label}{rating} by {self.version_id}"
