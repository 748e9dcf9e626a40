"""Idempotency-Key: a request that is sent twice is done once, and answered alike.

What it made is written in the transaction that makes it: neither a killed process nor a request
that comes late leaves two of it. Refused requests leave nothing and may be sent again.
"""

import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from django.http import HttpRequest
from django.utils import timezone

from classifier.api.admission import Admission
from classifier.api.refusals import Refusal
from classifier.messages import counted, message
from classifier.models import IdempotentRequest
from classifier.models.api_keys import IdempotentRequestQuerySet

HEADER = "HTTP_IDEMPOTENCY_KEY"
LONGEST = 255
IN_FLIGHT = timedelta(seconds=150)  # longer than gunicorn lets a request take
_KEY = re.compile(rf"[!-~]{{1,{LONGEST}}}")


@dataclass
class Turn:
    """A request's turn to be done; without an Idempotency-Key each has one."""

    made: list[str] | None = None
    """Ids of what the same request made before, in order; None: it is to be done."""
    digest: str = ""
    token: str = ""

    def keep(self, ids: Sequence[str]) -> None:
        """Say what was made, within the transaction that makes it.

        Raises:
            Refusal: 409; it took so long that another has taken its turn.
        """
        if self.digest and not self._rows().update(made=list(ids)):
            raise _in_flight()

    def give_back(self) -> None:
        """Let the same request be done when it is sent again, if this one has made nothing."""
        if self.digest:
            self._rows().filter(made__isnull=True).delete()

    def _rows(self) -> IdempotentRequestQuerySet:
        return IdempotentRequest.objects.filter(digest=self.digest, token=self.token)


def wants_turn(request: HttpRequest) -> bool:
    return HEADER in request.META


@contextmanager
def turn(request: HttpRequest, admission: Admission, body: bytes) -> Iterator[Turn]:
    """The turn of a request; given back if it is refused or fails.

    Args:
        body: SHA-256 of all that it asks for.

    Raises:
        Refusal: 400 for a key that is none, 422 for one that was sent with another body, 409
            while the same request is in flight.
    """
    if not wants_turn(request):
        yield Turn()
        return
    key = request.META[HEADER]
    if not _KEY.fullmatch(key):
        raise Refusal(
            status=400,
            code="idempotency_key",
            rule=message(
                "An Idempotency-Key has 1 to {most} visible ASCII characters.", most=LONGEST
            ),
            value=counted("{count:,} character", "{count:,} characters", count=len(key)),
            remedy=message("Send a new UUID with each new request."),
        )
    parts = (admission.sender, request.path_info, key)
    mine = _claim(sha256("\n".join(parts).encode()).hexdigest(), body.hex())
    try:
        yield mine
    except BaseException:
        mine.give_back()
        raise


def _claim(digest: str, body: str) -> Turn:
    now, token = timezone.now(), str(uuid.uuid4())
    rows = IdempotentRequest.objects.filter(digest=digest)
    while True:
        row, is_new = IdempotentRequest.objects.get_or_create(
            digest=digest, defaults={"body": body, "token": token, "claimed_at": now}
        )
        if is_new:
            return Turn(None, digest, token)
        if row.is_over(now):
            # Past its day and not purged yet
            rows.filter(token=row.token).delete()
            continue
        if row.body != body:
            raise Refusal(
                status=422,
                code="idempotency_body",
                rule=message("An Idempotency-Key stands for one request."),
                value=message("the same key with another body"),
                remedy=message("Send a new Idempotency-Key with each new request."),
            )
        if row.made is not None:
            return Turn(row.made, digest, str(row.token))
        stale = rows.open(stale=now - IN_FLIGHT).filter(token=row.token)
        if stale.update(token=token, claimed_at=now):
            return Turn(None, digest, token)
        raise _in_flight()


def _in_flight() -> Refusal:
    return Refusal(
        status=409,
        headers={"Retry-After": "1"},
        code="idempotency_in_flight",
        rule=message("A request with an Idempotency-Key is done once."),
        value=message("the same request, which is not answered yet"),
        remedy=message("Send it again after the seconds in Retry-After."),
    )
