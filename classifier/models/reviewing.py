"""What leads to a verdict and what is left of it: feedback, claims, skips and the audit log."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from classifier.message_field import MessageField
from classifier.models.labels import LabelField
from classifier.models.reviews import RATING_RANGE, Prediction, said_briefly
from classifier.ratings import HIGHEST, LOWEST

RATING_TOLERANCE = 2  # stars; a visitor who is further off disagrees


class Feedback(models.Model):
    """What a visitor says of a prediction: a reason to review it, never the verdict."""

    class Source(models.TextChoices):
        FORM = "form", _("Form")
        API = "api", _("API")

    prediction = models.ForeignKey(
        Prediction, on_delete=models.CASCADE, related_name="feedback", verbose_name=_("prediction")
    )
    visitor = models.CharField(
        _("visitor"), max_length=64, help_text=_("SHA-256 of what tells one visitor from another.")
    )
    label = LabelField(_("label"))
    rating = models.PositiveSmallIntegerField(
        _("rating"),
        null=True,
        blank=True,
        validators=RATING_RANGE,
        help_text=_("1 (worst) to 10 (best); none where the model gives none."),
    )
    disagrees = models.BooleanField(
        _("disagrees"),
        help_text=_("Another label, or a rating further away than is a matter of taste."),
    )
    source = models.CharField(_("source"), max_length=8, choices=Source.choices)
    said_at = models.DateTimeField(_("said at"), auto_now=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
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
        return said_briefly(self.label, self.rating)


class ReviewClaim(models.Model):
    """A prediction that a reviewer has on the screen; nobody else is shown it meanwhile."""

    prediction = models.OneToOneField(
        Prediction,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="claim",
        verbose_name=_("prediction"),
    )
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, verbose_name=_("reviewer")
    )
    chosen_by = models.CharField(_("chosen by"), max_length=9)
    expires_at = models.DateTimeField(_("expires at"))

    class Meta:
        verbose_name = _("review claim")
        verbose_name_plural = _("review claims")

    def __str__(self) -> str:
        return f"{self.prediction_id} by {self.reviewer_id}"


class ReviewSkip(models.Model):
    """A prediction that a reviewer does not want to judge; others are asked."""

    prediction = models.ForeignKey(
        Prediction, on_delete=models.CASCADE, related_name="skips", verbose_name=_("prediction")
    )
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, verbose_name=_("reviewer")
    )
    skipped_at = models.DateTimeField(_("skipped at"), default=timezone.now)

    class Meta:
        verbose_name = _("review skip")
        verbose_name_plural = _("review skips")
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
        VERDICT_SET = "verdict set", _("verdict set")
        VERDICT_CHANGED = "verdict changed", _("verdict changed")
        VERDICT_WITHDRAWN = "verdict withdrawn", _("verdict withdrawn")
        TEXTS_PURGED = "texts purged", _("texts purged")
        MODEL_ACTIVATED = "model activated", _("model activated")
        MODEL_REFUSED = "model refused", _("model refused")
        KEY_CREATED = "API key created", _("API key created")
        KEY_REVOKED = "API key revoked", _("API key revoked")
        SECOND_FACTOR_SET = "second factor set up", _("second factor set up")
        SECOND_FACTOR_RESET = "second factor reset", _("second factor reset")

    at = models.DateTimeField(_("at"), default=timezone.now, db_index=True)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("actor"),
    )
    actor_name = models.CharField(_("actor name"), max_length=150, blank=True)
    action = models.CharField(_("action"), max_length=32, choices=Action.choices)
    subject = models.CharField(_("subject"), max_length=120, db_index=True)
    before = models.JSONField(_("before"), null=True)
    after = models.JSONField(_("after"), null=True)
    reason = MessageField(_("reason"), blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        verbose_name = _("audit entry")
        ordering = ["-at", "-pk"]
        verbose_name_plural = _("audit log")

    def __str__(self) -> str:
        return f"{self.get_action_display()}: {self.subject}"


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
