"""How many runs a user may start or take up again in a minute, counted for all processes."""

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser

from classifier.api.counters import DatabaseCounter
from classifier.api.refusals import Refusal
from classifier.messages import message


def count_start(user: AbstractBaseUser | AnonymousUser) -> None:
    """Count a start of this user's, whatever becomes of it. Commands are not counted.

    In the database and not in Redis: each makes a row there anyway, and it counts while Redis is
    away, too.

    Raises:
        Refusal: 429, one too many.
        DatabaseError: the database does not answer.
    """
    limit: int = settings.TRAINING_RATE_LIMIT
    if not limit:
        return
    rate = DatabaseCounter().count(f"training {user.pk}", limit)
    if not rate.passes:
        raise Refusal(
            status=429,
            headers={"Retry-After": str(rate.reset)},
            code="training_rate_exceeded",
            rule=message("A user may start or retry {limit} runs a minute.", limit=limit),
            value=message("more"),
            remedy=message("Wait for {seconds} s, and send it again.", seconds=rate.reset),
        )
