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
from django.utils.translation import gettext_lazy as _

from classifier.labels import NEGATIVE, POSITIVE
from classifier.models.labels import LabelField
from classifier.models.versions import ModelVersion
from classifier.ratings import HIGHEST, LOWEST, Sentiment, sentiment_of

RATING_RANGE = [MinValueValidator(LOWEST), MaxValueValidator(HIGHEST)]


def text_digest(text: str, text_pair: str = "") -> str:
    """SHA-256 of a text, or of a pair: stays when the text itself is purged."""
    # No text has a NUL in it.
    read = f"{text}\0{text_pair}" if text_pair else text
    return hashlib.sha256(read.encode()).hexdigest()


def said_briefly(label: str, rating: int | None) -> str:
    """A label and, where there is one, a rating in few words."""
    return label if rating is None else f"{label} {rating}/{HIGHEST}"


class PredictionQuerySet(models.QuerySet["Prediction"]):
    def reviewed(self) -> Self:
        return self.filter(verdict__isnull=False)

    def pending(self) -> Self:
        return self.filter(verdict__isnull=True)

    def corrected(self) -> Self:
        """Those on which the reviewer disagreed with the label or the rating."""
        same = Q(verdict__label=F("label"))
        # Nothing is equal to a rating that is not there.
        same &= Q(verdict__rating=F("rating")) | Q(rating__isnull=True)
        return self.reviewed().filter(~same)

    def live(self, share: float) -> Self:
        """A random part of what visitors and programs sent; files and commands are no sample of it.

        Args:
            share: 0 to 1. The same predictions are always in it, and in every larger one: those
                whose ids, which are random, are low.
        """
        bound = uuid.UUID(int=min(int(max(share, 0.0) * 2**128), 2**128 - 1))
        live = (Prediction.Source.FORM, Prediction.Source.API)
        return self.filter(source__in=live, pk__lte=bound)

    def purge_texts(self, *, before: datetime | None = None) -> int:
        """Empty the texts of predictions made before a time, or of all; digests and scores stay.

        Returns:
            How many texts were purged.
        """
        found = self if before is None else self.filter(created_at__lt=before)
        return found.exclude(text="").update(text="", text_pair="", text_purged_at=timezone.now())


class Prediction(models.Model):
    """What a model said of a text. Never changes: what a reviewer says is a Verdict beside it."""

    class Source(models.TextChoices):
        FORM = "form", _("Form")
        API = "api", _("API")
        COMMAND = "command", _("Command")
        BULK = "bulk", _("Bulk")
        STUDIO = "studio", _("Label Studio")

    id = models.UUIDField(_("id"), primary_key=True, default=uuid.uuid4, editable=False)
    text = models.TextField(_("text"), blank=True, help_text=_("Empty once it has been purged."))
    text_pair = models.TextField(
        _("second text"),
        blank=True,
        default="",
        db_default="",  # processes of before write rows while others are replaced
        help_text=_("Of a model that reads pairs; purged with the text."),
    )
    text_sha256 = models.CharField(_("SHA-256 of the text"), max_length=64, db_index=True)
    text_purged_at = models.DateTimeField(_("text purged at"), null=True, blank=True)
    label = LabelField(_("label"))
    score = models.FloatField(_("score"), help_text=_("Softmax probability of the label, 0 to 1."))
    positive_probability = models.FloatField(
        _("positive probability"), null=True, blank=True, help_text=_("P(POSITIVE), 0 to 1.")
    )
    probabilities = models.JSONField(
        _("probabilities"),
        null=True,
        blank=True,
        help_text=_("Of each label, 0 to 1, where the labels are not the two sentiments."),
    )
    rating = models.PositiveSmallIntegerField(
        _("rating"),
        null=True,
        blank=True,
        help_text=_("1 (worst) to 10 (best); none where the labels are not the two sentiments."),
    )
    rating_low = models.PositiveSmallIntegerField(
        _("rating low"),
        null=True,
        blank=True,
        help_text=_(
            "Lower end of the interval that holds what people give in 80 % of such reviews; "
            "none where the rating is the model's confidence alone."
        ),
    )
    rating_high = models.PositiveSmallIntegerField(
        _("rating high"),
        null=True,
        blank=True,
        help_text=_("Upper end of the same; both are in it."),
    )
    truncated = models.BooleanField(
        _("truncated"),
        help_text=_("Whether the text was longer than the characters the model reads."),
    )
    windows = models.PositiveSmallIntegerField(
        _("windows"), help_text=_("In how many overlapping windows the text was read.")
    )
    language = models.CharField(
        _("language"),
        max_length=3,
        blank=True,
        default="",
        db_default="",  # processes of before write rows while others are replaced
        help_text=_("Of the text, as ISO 639 has it; empty where that is unsure."),
    )
    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, verbose_name=_("model version")
    )
    source = models.CharField(_("source"), max_length=8, choices=Source.choices)
    created_at = models.DateTimeField(
        _("created at"), default=timezone.now, db_index=True, editable=False
    )

    objects = PredictionQuerySet.as_manager()

    class Meta:
        verbose_name = _("prediction")
        verbose_name_plural = _("predictions")
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
                    rating__isnull=False,
                    rating_low__isnull=False,
                    rating_high__isnull=False,
                    rating_low__gte=LOWEST,
                    rating_low__lte=F("rating"),
                    rating_high__gte=F("rating"),
                    rating_high__lte=HIGHEST,
                ),
                name="prediction_rating_interval",
            ),
            models.CheckConstraint(
                condition=Q(
                    label__in=(NEGATIVE, POSITIVE),
                    rating__isnull=False,
                    positive_probability__isnull=False,
                    probabilities__isnull=True,
                )
                | Q(
                    rating__isnull=True,
                    positive_probability__isnull=True,
                    probabilities__isnull=False,
                ),
                name="prediction_rated_or_other",
            ),
        ]

    def __str__(self) -> str:
        return said_briefly(self.label, self.rating)

    def get_absolute_url(self) -> str:
        return reverse("prediction", args=[self.pk])

    @property
    def sentiment(self) -> Sentiment:
        """P(POSITIVE) and rating; ValueError of a model with other labels."""
        return sentiment_of(self.positive_probability, self.rating)

    @property
    def label_probabilities(self) -> dict[str, float]:
        """Of each label, 0..1."""
        if self.positive_probability is not None:
            return {NEGATIVE: 1 - self.positive_probability, POSITIVE: self.positive_probability}
        return dict(self.probabilities or {})

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

    def on_reviews(self) -> Self:
        """Those that say of one text whether it is positive, and how many stars it deserves."""
        return self.filter(prediction__rating__isnull=False, prediction__text_pair="")


class Verdict(models.Model):
    """What a reviewer says of a prediction: the same, or another label or rating."""

    class ChosenBy(models.TextChoices):
        """Why this prediction was reviewed; figures of quality may use a random share alone."""

        DISAGREED = "disagreed", _("a visitor disagreed")
        BOUNDARY = "boundary", _("closest to the boundary")
        RANDOM = "random", _("part of the random share")
        REVIEWER = "reviewer", _("the reviewer's own choice")
        IMPORT = "import", _("an imported file")

    prediction = models.OneToOneField(
        Prediction, on_delete=models.CASCADE, verbose_name=_("prediction")
    )
    label = LabelField(_("label"))
    rating = models.PositiveSmallIntegerField(
        _("rating"),
        null=True,
        blank=True,
        validators=RATING_RANGE,
        help_text=_("1 (worst) to 10 (best); none where the model gives none."),
    )
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        verbose_name=_("reviewer"),
    )
    note = models.TextField(_("note"), blank=True)
    chosen_by = models.CharField(
        _("chosen by"),
        max_length=9,
        choices=ChosenBy.choices,
        default=ChosenBy.REVIEWER,
        editable=False,
    )
    reviewed_at = models.DateTimeField(_("reviewed at"), auto_now=True, db_index=True)

    objects = VerdictQuerySet.as_manager()

    class Meta:
        verbose_name = _("verdict")
        verbose_name_plural = _("verdicts")
        constraints = [
            models.CheckConstraint(
                condition=Q(rating__gte=LOWEST, rating__lte=HIGHEST), name="verdict_rating_range"
            )
        ]

    def __str__(self) -> str:
        return said_briefly(self.label, self.rating)
