"""What leads to a verdict and what is left of it: feedback, claims, skips and the audit log."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from classifier.labels import LABEL_CHOICES
from classifier.models.reviews import RATING_RANGE, Prediction
from classifier.ratings import HIGHEST, LOWEST

RATING_TOLERANCE = 2  # stars; a visitor who is further off disagrees


class Feedback(models.Model):
    """What a visitor says of a prediction: a reason to review it, never the verdict."""

    class Source(models.TextChoices):
        FORM = "form"
        API = "api"

    prediction = models.ForeignKey(Prediction, on_delete=models.CASCADE, related_name="feedback")
    visitor = models.CharField(
        max_length=64, help_text="SHA-256 of what tells one visitor from another."
    )
    label = models.CharField(max_length=8, choices=LABEL_CHOICES)
    rating = models.PositiveSmallIntegerField(
        validators=RATING_RANGE, help_text="1 (worst) to 10 (best)."
    )
    disagrees = models.BooleanField(
        help_text=f"Another label, or a rating more than {RATING_TOLERANCE} away."
    )
    source = models.CharField(max_length=8, choices=Source.choices)
    said_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "feedback"
        ordering = ["-said_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["prediction", "visitor"], name="feedback_one_per_visitor"
            ),
            models.CheckConstraint(
                condition=Q(rating__gte=LOWEST, rating__lte=HIGHEST), name="feedback_rating_range"
            ),
        ]
        indexes = [
            models.Index(
                fields=["said_at"], condition=Q(disagrees=True), name="feedback_disagreeing"
            )
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.rating}/{HIGHEST}"


class ReviewClaim(models.Model):
    """A prediction that a reviewer has on the screen; nobody else is shown it meanwhile."""

    prediction = models.OneToOneField(
        Prediction, on_delete=models.CASCADE, primary_key=True, related_name="claim"
    )
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    chosen_by = models.CharField(max_length=9)
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.prediction_id} by {self.reviewer_id}"


class ReviewSkip(models.Model):
    """A prediction that a reviewer does not want to judge; others are asked."""

    prediction = models.ForeignKey(Prediction, on_delete=models.CASCADE, related_name="skips")
    reviewer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    skipped_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prediction", "reviewer"], name="skip_one_per_reviewer")
        ]

    def __str__(self) -> str:
        return f"{self.prediction_id} by {self.reviewer_id}"


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    def of(self, subject: models.Model) -> Self:
        return self.filter(subject=subject_of(subject))


class AuditEntry(models.Model):
    """Who changed what, when and why. Kept when its subject and its actor are gone."""

    class Action(models.TextChoices):
        VERDICT_SET = "verdict set", "verdict set"
        VERDICT_CHANGED = "verdict changed", "verdict changed"
        VERDICT_WITHDRAWN = "verdict withdrawn", "verdict withdrawn"
        TEXTS_PURGED = "texts purged", "texts purged"
        MODEL_ACTIVATED = "model activated", "model activated"
        MODEL_REFUSED = "model refused", "model refused"

    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    actor_name = models.CharField(max_length=150, blank=True)
    action = models.CharField(max_length=32, choices=Action.choices)
    subject = models.CharField(max_length=120, db_index=True)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    reason = models.TextField(blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-at", "-pk"]
        verbose_name_plural = "audit log"

    def __str__(self) -> str:
        return f"{self.action}: {self.subject}"


def subject_of(row: models.Model) -> str:
    """How the audit log names a row: its kind and key."""
    return f"{row._meta.model_name} {row.pk}"


def audit_entry(action: str, subject: models.Model | str, actor: Any, **values: Any) -> AuditEntry:
    """An entry to be saved with the change that it tells of.

    Args:
        subject: a row, or words for many.
        actor: a user, or None for a command.
    """
    return AuditEntry(
        action=action,
        subject=subject if isinstance(subject, str) else subject_of(subject),
        actor=actor,
        actor_name=actor.get_username() if actor else "",
        **values,
    )
