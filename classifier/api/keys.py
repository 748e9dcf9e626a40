"""API keys as requests carry them: Authorization: Bearer rs_…

Without DRF, and cheap: what the database said of a key is remembered for KEY_SECONDS.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone

from classifier.api.refusals import Refusal
from classifier.messages import message
from classifier.models import ApiKey, key_digest
from classifier.models.api_keys import KEY_START, PREFIX_LENGTH

KEY_SECONDS = 5.0  # a revoked key stops working within them, in every process
REMEMBERED = 10_000  # keys; a stranger who tries many makes this process no larger
USED_EVERY = timedelta(minutes=1)  # how exact last_used_at is
# huggingface_hub sends its user's token of the Hub to every address, unasked: no key of ours.
FOREIGN_START = "hf_"


@dataclass(frozen=True)
class HeldKey:
    """What a key opens and how often."""

    pk: int
    prefix: str
    scopes: frozenset[str]
    limit: int | None
    """Requests a minute; None: the site's own limit."""
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyMemory:
    """What the database said of keys lately, of those that it does not know too."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[float, HeldKey | None]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, digest: str) -> HeldKey | None:
        found = self._known.get(digest)
        if found and time.monotonic() - found[0] < KEY_SECONDS:
            return found[1]
        key = _from_database(digest)
        with self._lock:
            self._known[digest] = time.monotonic(), key
            self._known.move_to_end(digest)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        return key

    def clear(self) -> None:
        with self._lock:
            self._known.clear()


keys = KeyMemory()


def given_key(meta: Mapping[str, str]) -> str | None:
    """The key of a request, right or wrong.

    None where it has none: no Authorization header, another scheme, or a token of the Hub.
    """
    header = meta.get("HTTP_AUTHORIZATION")
    if not header:
        return None
    scheme, _space, token = header.partition(" ")
    token = token.strip()
    return token if scheme.lower() == "bearer" and not token.startswith(FOREIGN_START) else None


def held_key(given: str) -> HeldKey:
    """The key that was given, if it is good now.

    Raises:
        Refusal: 401; nobody knows it, or it is revoked or expired.
    """
    # It is found by its digest, so there is nothing to compare in constant time.
    key = keys.find(key_digest(given))
    if key is None:
        raise _unauthorized(
            code="key_unknown",
            rule=message("A key must be one of this site's."),
            value=_shown(given),
            remedy=message("Check that it is whole, or send none where none is demanded."),
        )
    if key.revoked_at is not None:
        raise _unauthorized(
            code="key_revoked",
            rule=message("A key must not be revoked."),
            value=f"{key.prefix}…, {key.revoked_at.isoformat(timespec='seconds')}",
            remedy=message("Ask whoever runs the site for another."),
        )
    if key.expires_at is not None and key.expires_at <= timezone.now():
        raise _unauthorized(
            code="key_expired",
            rule=message("A key must not have expired."),
            value=f"{key.prefix}…, {key.expires_at.isoformat(timespec='seconds')}",
            remedy=message("Ask whoever runs the site for another."),
        )
    return key


def key_missing() -> Refusal:
    return _unauthorized(
        code="key_missing",
        rule=message("A request to this address must have a key."),
        value=message("none"),
        remedy=message("Send Authorization: Bearer rs_…, with a key of this site."),
    )


def scope_missing(key: HeldKey, scope: str) -> Refusal:
    return Refusal(
        status=403,
        code="key_scope",
        rule=message("A key must open what is asked for: {scope}.", scope=scope),
        value=f"{key.prefix}…: {', '.join(sorted(key.scopes))}",
        remedy=message("Ask whoever runs the site for a key with this scope."),
    )


def _unauthorized(*, code: str, rule: str, value: str, remedy: str) -> Refusal:
    return Refusal(
        status=401,
        headers={"WWW-Authenticate": 'Bearer realm="api"'},
        code=code,
        rule=rule,
        value=value,
        remedy=remedy,
    )


def _shown(given: str) -> str:
    """As much of a wrong key as is no secret."""
    if given.startswith(KEY_START):
        return f"{given[:PREFIX_LENGTH]}…".encode("ascii", "replace").decode()
    return message("a token that does not begin with {start}", start=KEY_START)


def _from_database(digest: str) -> HeldKey | None:
    fields = ("pk", "prefix", "scopes", "limit_per_minute", "expires_at", "revoked_at")
    row = ApiKey.objects.filter(digest=digest).values_list(*fields, "last_used_at").first()
    if row is None:
        return None
    pk, prefix, scopes, limit, expires_at, revoked_at, last_used_at = row
    now = timezone.now()
    good = revoked_at is None and (expires_at is None or expires_at > now)
    if good and (last_used_at is None or last_used_at < now - USED_EVERY):
        older = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_EVERY)
        ApiKey.objects.filter(older, pk=pk).update(last_used_at=now)
    return HeldKey(pk, prefix, frozenset(scopes), limit, expires_at, revoked_at)
