"""So many requests a minute for each key, or for each address without one."""

import threading
import time
from collections import OrderedDict

from django.conf import settings
from django.utils.crypto import salted_hmac

from classifier.api.counters import Rate, counter
from classifier.api.refusals import Refusal
from classifier.messages import message

REMEMBERED = 10_000  # senders that must wait


class Waiting:
    """Who must wait, and until when: a flood of refused requests costs no database its time."""

    def __init__(self) -> None:
        self._until: OrderedDict[tuple[str, int], float] = OrderedDict()
        self._lock = threading.Lock()

    def seconds(self, who: str, limit: int) -> int:
        """How long still, rounded up as `add` has rounded down; 0 for who may be counted."""
        left = self._until.get((who, limit), 0.0) - time.monotonic()
        return int(left) + 2 if left > 0 else 0

    def add(self, who: str, rate: Rate) -> None:
        with self._lock:
            # One second less: the one in which it was refused has begun already.
            self._until[who, rate.limit] = time.monotonic() + rate.reset - 1
            while len(self._until) > REMEMBERED:
                self._until.popitem(last=False)

    def clear(self) -> None:
        with self._lock:
            self._until.clear()


waiting = Waiting()


def count_request(*, key: int | None, limit: int | None, address: str) -> Rate | None:
    """Count a request of a key, or of an address without one.

    Args:
        limit: the key's own; None for the site's.

    Returns:
        What is left; None where there is no limit, or nothing can be counted now.
    """
    limit = settings.RATE_LIMIT if limit is None else limit
    if not limit:
        return None
    # No address is kept: its digest tells one from another as well.
    who = f"key {key}" if key is not None else salted_hmac("rate", address).hexdigest()[:40]
    if seconds := waiting.seconds(who, limit):
        return Rate(limit, 0, seconds, passes=False)
    rate = counter().count(who, limit)
    if rate is not None and not rate.passes:
        waiting.add(who, rate)
    return rate


def rate_headers(rate: Rate) -> dict[str, str]:
    """As draft-ietf-httpapi-ratelimit-headers-07 names them."""
    return {
        "RateLimit-Policy": f"{rate.limit};w=60",
        "RateLimit-Limit": str(rate.limit),
        "RateLimit-Remaining": str(rate.remaining),
        "RateLimit-Reset": str(rate.reset),
    }


def rate_exceeded(rate: Rate) -> Refusal:
    return Refusal(
        status=429,
        headers={"Retry-After": str(rate.reset)},
        code="rate_exceeded",
        rule=message(
            "A key, or an address without one, may send {limit} requests a minute.",
            limit=rate.limit,
        ),
        value=message("more"),
        remedy=message(
            "Wait for the seconds in Retry-After, and send lists of texts in one request."
        ),
    )
