"""Which models answer or may, and what those say that nobody hears yet."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from classifier.labels import LABEL_CHOICES
from classifier.models.files import StoredFile
from classifier.ratings import HIGHEST, LOWEST


class ModelVersion(models.Model):
    """A model that has answered or may: its name and the digest of its files."""

    class Status(models.TextChoices):
        SEEN = "seen", "seen"
        """It has answered, and its files are whoever's who put them there."""
        CANDIDATE = "candidate", "candidate"
        """Its files are kept, and it may be activated."""
        ACTIVE = "active", "active"
        RETIRED = "retired", "retired"
        """It was active, and may be again."""

    name = models.CharField(max_length=200)
    revision = models.CharField(max_length=64, help_text="Digest of the model's files.")
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.SEEN)
    source = models.CharField(max_length=300, blank=True, help_text="Where it was taken from.")
    metrics = models.JSONField(default=dict, blank=True, help_text="Its metrics.json.")
    card = models.TextField(blank=True, help_text="Its README.md.")
    golden = models.JSONField(
        default=list,
        editable=False,
        help_text="P(POSITIVE) that it gave the golden reviews when it was registered.",
    )
    activated_at = models.DateTimeField(null=True, blank=True, editable=False)
    shadow_share = models.FloatField(
        default=0.0,
        editable=False,
        help_text="The part of live traffic, 0 to 1, that it rates without being heard.",
    )
    shadow_since = models.DateTimeField(null=True, editable=False)
    archive = models.ForeignKey(
        StoredFile,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        help_text="Its files, for hosts that do not have them.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
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


class VersionAnswer(models.Model):
    """What a version says of a prediction's text beside the one that answered the visitor."""

    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="answers")
    prediction = models.ForeignKey(
        "classifier.Prediction", on_delete=models.CASCADE, related_name="other_answers"
    )
    label = models.CharField(max_length=8, choices=LABEL_CHOICES)
    positive_probability = models.FloatField(help_text="P(POSITIVE), 0 to 1.")
    rating = models.PositiveSmallIntegerField(help_text="1 (worst) to 10 (best).")
    shadow = models.BooleanField(
        help_text="Given in the shadow of live traffic, not for a comparison on verdicts."
    )
    answered_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "prediction"], name="version_answer_unique"),
            models.CheckConstraint(
                condition=Q(rating__gte=LOWEST, rating__lte=HIGHEST),
                name="version_answer_rating_range",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.rating}/{HIGHEST} by {self.version_id}"
