"""Who may use the API, how often, and what has been asked already."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models, transaction
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.translation import gettext_lazy as _

from classifier.models.reviewing import AuditEntry, audit_entry

KEYS_REQUIRED = "required"
KEY_CHOICES = ("optional", KEYS_REQUIRED)  # of the setting API_KEYS
KEY_START = "rs_"
PREFIX_LENGTH = len(KEY_START) + 8
SECRET_LENGTH = 43  # letters and digits: 256 bits
IDEMPOTENT_FOR = timedelta(hours=24)
IDEMPOTENT_AT_MOST = 100_000  # rows that the hourly purge leaves


def key_digest(key: str) -> str:
    """SHA-256 of a key: its 256 random bits need no slow hash, which each request would pay for."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class Scope(models.TextChoices):
    """What a key opens."""

    RATE = "rate", _("rate texts")
    BULK = "bulk", _("rate files")
    READ = "read", _("read predictions with their texts")
    FEEDBACK = "feedback", _("give feedback")


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def issue(
        self,
        name: str,
        *,
        scopes: Sequence[str],
        actor: Any = None,
        expires_at: datetime | None = None,
        limit_per_minute: int | None = None,
    ) -> tuple["ApiKey", str]:
        """A new key, and the secret itself: it is kept nowhere and cannot be shown again.

        Raises:
            ValidationError: a value is none that a key can have.
        """
        secret = KEY_START + get_random_string(SECRET_LENGTH)
        key = ApiKey(
            name=name,
            prefix=secret[:PREFIX_LENGTH],
            digest=key_digest(secret),
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
            limit_per_minute=limit_per_minute,
            created_by=actor,
        )
        key.full_clean()
        with transaction.atomic():
            key.save(force_insert=True)
            audit_entry(AuditEntry.Action.KEY_CREATED, key, actor, after=key.facts()).save()
        return key, secret


class ApiKey(models.Model):
    """A key to the API. Its digest is kept, the key itself is not."""

    name = models.CharField(_("name"), max_length=100, help_text=_("Whose it is, or what for."))
    prefix = models.CharField(
        _("begins with"), max_length=PREFIX_LENGTH, unique=True, editable=False
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(_("opens"))
    limit_per_minute = models.PositiveIntegerField(
        _("requests a minute"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Nothing: as many as the site's RATE_LIMIT allows."),
    )
    expires_at = models.DateTimeField(
        _("expires"), null=True, blank=True, help_text=_("Nothing: never.")
    )
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)
    last_used_at = models.DateTimeField(
        _("last used"), null=True, editable=False, help_text=_("To the minute.")
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("created by"),
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def clean(self) -> None:
        if not isinstance(self.scopes, list) or not self.scopes:
            raise ValidationError({"scopes": _("A key opens one thing at least.")})
        if unknown := set(self.scopes) - set(Scope.values):
            raise ValidationError(
                {
                    "scopes": _("A key opens %(known)s, and not %(unknown)s.")
                    % {"known": ", ".join(Scope.values), "unknown": ", ".join(sorted(unknown))}
                }
            )

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    def facts(self) -> dict[str, Any]:
        """For the audit log; nothing that opens a door."""
        return {
            "name": self.name,
            "prefix": self.prefix,
            "scopes": self.scopes,
            "limit_per_minute": self.limit_per_minute,
            "expires_at": self.expires_at.isoformat() if self.expires_at else None,
        }

    def revoke(self, actor: Any = None) -> bool:
        """For ever, and within seconds in every process; whether it was not revoked before."""
        with transaction.atomic():
            now = timezone.now()
            if not ApiKey.objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=now):
                return False
            self.revoked_at = now
            audit_entry(AuditEntry.Action.KEY_REVOKED, self, actor, before=self.facts()).save()
        return True


class RateWindowQuerySet(models.QuerySet["RateWindow"]):
    def purge(self) -> int:
        """Delete what counts no more; how many rows."""
        return self.filter(counted_at__lt=timezone.now() - timedelta(minutes=5)).delete()[0]


class RateWindow(models.Model):
    """The requests of a key or an address in the last minute, where Redis does not count them."""

    who = models.CharField(max_length=64, primary_key=True)
    seconds = models.JSONField(
        default=dict, help_text="Requests that were let pass, by the second since 1970."
    )
    # No index: it would be written with every request, for an hourly purge of few rows.
    counted_at = models.DateTimeField(default=timezone.now)

    objects = RateWindowQuerySet.as_manager()

    def __str__(self) -> str:
        return self.who


class IdempotentRequestQuerySet(models.QuerySet["IdempotentRequest"]):
    def purge(self) -> int:
        """Delete those past their day, and the oldest of too many; how many rows."""
        gone = self.filter(created_at__lt=timezone.now() - IDEMPOTENT_FOR).delete()[0]
        newest = self.order_by("-created_at").values_list("created_at", flat=True)
        oldest_kept = newest[IDEMPOTENT_AT_MOST - 1 : IDEMPOTENT_AT_MOST].first()
        if oldest_kept is not None:
            gone += self.filter(created_at__lt=oldest_kept).delete()[0]
        return gone

    def open(self, *, stale: datetime) -> Self:
        """Those whose request was never answered: its process has died."""
        return self.filter(made__isnull=True, claimed_at__lt=stale)


class IdempotentRequest(models.Model):
    """A request that was sent with an Idempotency-Key, and what it made."""

    digest = models.CharField(
        max_length=64, primary_key=True, help_text="SHA-256 of sender, address and key."
    )
    body = models.CharField(max_length=64, help_text="SHA-256 of what was sent.")
    token = models.UUIDField(help_text="Whose turn it is; a late one is refused.")
    claimed_at = models.DateTimeField()
    made = models.JSONField(
        null=True, help_text="The ids that it made, in order; none while it is in flight."
    )
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = IdempotentRequestQuerySet.as_manager()

    def __str__(self) -> str:
        return self.digest

    def is_over(self, now: datetime) -> bool:
        """Whether its key may stand for another request."""
        return self.created_at < now - IDEMPOTENT_FOR
