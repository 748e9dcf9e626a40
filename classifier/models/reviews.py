"""What is kept: what a model said, and what a reviewer said of it."""

import hashlib
import uuid
from datetime import datetime
from typing import Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from classifier.labels import LABEL_CHOICES
from classifier.models.versions import ModelVersion
from classifier.ratings import HIGHEST, LOWEST

RATING_RANGE = [MinValueValidator(LOWEST), MaxValueValidator(HIGHEST)]


def text_digest(text: str) -> str:
    """SHA-256 of a text: stays when the text itself is purged."""
    return hashlib.sha256(text.encode()).hexdigest()


class PredictionQuerySet(models.QuerySet["Prediction"]):
    def reviewed(self) -> Self:
        return self.filter(verdict__isnull=False)

    def pending(self) -> Self:
        return self.filter(verdict__isnull=True)

    def corrected(self) -> Self:
        """Those on which the reviewer disagreed with the label or the rating."""
        return self.reviewed().exclude(verdict__label=F("label"), verdict__rating=F("rating"))

    def live(self, share: float) -> Self:
        """A random part of what visitors and programs sent; files and commands are no sample of it.

        Args:
            share: 0 to 1. The same predictions are always in it, and in every larger one: those
                whose ids, which are random, are low.
        """
        bound = uuid.UUID(int=min(int(max(share, 0.0) * 2**128), 2**128 - 1))
        live = (Prediction.Source.FORM, Prediction.Source.API)
        return self.filter(source__in=live, pk__lte=bound)

    def purge_texts(self, *, before: datetime) -> int:
        """Empty the texts of predictions made before a time; digests and scores stay.

        Returns:
            How many texts were purged.
        """
        return (
            self.filter(created_at__lt=before)
            .exclude(text="")
            .update(text="", text_purged_at=timezone.now())
        )


class Prediction(models.Model):
    """What a model said of a text. Never changes: what a reviewer says is a Verdict beside it."""

    class Source(models.TextChoices):
        FORM = "form"
        API = "api"
        COMMAND = "command"
        BULK = "bulk"
        STUDIO = "studio", "Label Studio"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    text = models.TextField(blank=True, help_text="Empty once it has been purged.")
    text_sha256 = models.CharField("SHA-256 of the text", max_length=64, db_index=True)
    text_purged_at = models.DateTimeField(null=True, blank=True)
    label = models.CharField(max_length=8, choices=LABEL_CHOICES)
    score = models.FloatField(help_text="Softmax probability of the label, 0 to 1.")
    positive_probability = models.FloatField(help_text="P(POSITIVE), 0 to 1.")
    rating = models.PositiveSmallIntegerField(help_text="1 (worst) to 10 (best).")
    rating_low = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Lower end of the interval that holds what people give in 80 % of such reviews; "
        "none where the rating is the model's confidence alone.",
    )
    rating_high = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="Upper end of the same; both are in it."
    )
    truncated = models.BooleanField(
        help_text="Whether the text was longer than the characters the model reads."
    )
    windows = models.PositiveSmallIntegerField(
        help_text="In how many overlapping windows the text was read."
    )
    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT)
    source = models.CharField(max_length=8, choices=Source.choices)
    created_at = models.DateTimeField(default=timezone.now, db_index=True, editable=False)

    objects = PredictionQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        # The review queue walks from the middle of the scale to its ends, past all that are judged.
        # All that it asks of them is in the index, so that it need not look at their rows.
        indexes = [
            models.Index(
                fields=["positive_probability", "id", "text_purged_at"],
                condition=Q(text_purged_at=None),
                name="prediction_to_review",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(score__gte=0, score__lte=1), name="prediction_score_range"
            ),
            models.CheckConstraint(
                condition=Q(positive_probability__gte=0, positive_probability__lte=1),
                name="prediction_positive_probability_range",
            ),
            models.CheckConstraint(
                condition=Q(rating__gte=LOWEST, rating__lte=HIGHEST),
                name="prediction_rating_range",
            ),
            models.CheckConstraint(
                # Compared with nothing, an end alone would be neither true nor false, and pass.
                condition=Q(rating_low__isnull=True, rating_high__isnull=True)
                | Q(
                    rating_low__isnull=False,
                    rating_high__isnull=False,
                    rating_low__gte=LOWEST,
                    rating_low__lte=F("rating"),
                    rating_high__gte=F("rating"),
                    rating_high__lte=HIGHEST,
                ),
                name="prediction_rating_interval",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.rating}/{HIGHEST}"

    def get_absolute_url(self) -> str:
        return reverse("prediction", args=[self.pk])

    @property
    def rating_interval(self) -> tuple[int, int] | None:
        """Both ends of the interval, where there is one."""
        if self.rating_low is None or self.rating_high is None:
            return None
        return self.rating_low, self.rating_high


class VerdictQuerySet(models.QuerySet["Verdict"]):
    def with_text(self) -> Self:
        """Those whose prediction still has its text."""
        return self.exclude(prediction__text="")


class Verdict(models.Model):
    """What a reviewer says of a prediction: the same, or another label or rating."""

    class ChosenBy(models.TextChoices):
        """Why this prediction was reviewed; figures of quality may use a random share alone."""

        DISAGREED = "disagreed", "a visitor disagreed"
        BOUNDARY = "boundary", "closest to the boundary"
        RANDOM = "random", "part of the random share"
        REVIEWER = "reviewer", "the reviewer's own choice"
        IMPORT = "import", "an imported file"

    prediction = models.OneToOneField(Prediction, on_delete=models.CASCADE)
    label = models.CharField(max_length=8, choices=LABEL_CHOICES)
    rating = models.PositiveSmallIntegerField(
        validators=RATING_RANGE, help_text="1 (worst) to 10 (best)."
    )
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False
    )
    note = models.TextField(blank=True)
    chosen_by = models.CharField(
        max_length=9, choices=ChosenBy.choices, default=ChosenBy.REVIEWER, editable=False
    )
    reviewed_at = models.DateTimeField(auto_now=True, db_index=True)

    objects = VerdictQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(rating__gte=LOWEST, rating__lte=HIGHEST), name="verdict_rating_range"
            )
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.rating}/{HIGHEST}"
