"""Requests of the last minute, counted once for all processes: in Redis, or in the database.

Both count by the second and look back over WINDOW of them, so that no sixty seconds, wherever they
begin, have more than the limit. What is refused is not counted: who waits is let in again.
"""

import logging
import time
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from classifier.models import RateWindow

logger = logging.getLogger(__name__)

WINDOW = 61  # seconds: sixty, and the rest of the one in which a request was counted
ANSWER_SECONDS = 0.25  # that a request waits for Redis
AWAY_SECONDS = 5.0  # for which a Redis that did not answer is not asked again

# KEYS[1]: who; ARGV: limit, window. Gives whether it may pass, how many more, and seconds to wait.
SCRIPT = """
local second = tonumber(redis.call('TIME')[1])
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local counted = redis.call('HGETALL', KEYS[1])
local total, oldest = 0, second
for i = 1, #counted, 2 do
    local at = tonumber(counted[i])
    if at <= second - window then
        redis.call('HDEL', KEYS[1], counted[i])
    else
        total = total + tonumber(counted[i + 1])
        oldest = math.min(oldest, at)
    end
end
local passes = 0
if total < limit then
    passes, total = 1, total + 1
    redis.call('HINCRBY', KEYS[1], string.format('%d', second), 1)
    redis.call('EXPIRE', KEYS[1], window)
end
return {passes, math.max(limit - total, 0), oldest + window - second}
"""


@dataclass(frozen=True)
class Rate:
    """What a request has left of its limit."""

    limit: int
    """Requests a minute."""
    remaining: int
    reset: int
    """Seconds until there is more room, 1 to WINDOW."""
    passes: bool


class Counter(Protocol):
    def count(self, who: str, limit: int) -> Rate | None:
        """Count a request, if it may pass; None where nothing can be counted now."""


class DatabaseCounter:
    """One row for each key or address, locked while it is read and written."""

    def count(self, who: str, limit: int) -> Rate:
        """
        Raises:
            DatabaseError: the database does not answer.
        """
        with transaction.atomic():
            row = self._locked(who)
            second = int(time.time())
            counted = {
                int(at): count for at, count in row.seconds.items() if int(at) > second - WINDOW
            }
            total, oldest = sum(counted.values()), min(counted, default=second)
            if passes := total < limit:
                total += 1
                counted[second] = counted.get(second, 0) + 1
                row.seconds = {str(at): count for at, count in counted.items()}
                row.counted_at = timezone.now()
                row.save(force_update=True)
        reset = min(max(oldest + WINDOW - second, 1), WINDOW)
        return Rate(limit, max(limit - total, 0), reset, passes)

    def _locked(self, who: str) -> RateWindow:
        rows = RateWindow.objects.select_for_update()
        while True:
            if row := rows.filter(pk=who).first():
                return row
            RateWindow.objects.bulk_create([RateWindow(who=who)], ignore_conflicts=True)


class RedisCounter:
    """One hash for each key or address, read and written by one script."""

    def __init__(self, url: str) -> None:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        client: Any = redis.Redis.from_url(
            url,
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            **settings.REDIS_TLS,
        )
        self._script = client.register_script(SCRIPT)
        self._error = redis.RedisError
        self._away_until = 0.0

    def count(self, who: str, limit: int) -> Rate | None:
        """None while Redis does not answer: better a request too many than none at all."""
        if time.monotonic() < self._away_until:
            return None
        try:
            passes, remaining, reset = self._script(
                keys=[f"reviewsite:rate:{who}"], args=[limit, WINDOW]
            )
        except self._error as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            logger.warning(
                "Redis does not answer, so requests are not counted for %s seconds: %s",
                AWAY_SECONDS,
                error,
            )
            return None
        return Rate(limit, int(remaining), max(int(reset), 1), bool(passes))


def counter() -> Counter:
    return _redis_counter(settings.REDIS_URL) if settings.REDIS_URL else DatabaseCounter()


_redis_counter = cache(RedisCounter)
