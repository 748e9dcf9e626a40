"""The bounded queue: who has waited too long for a thread is told to come again, at once.

A worker has one queue, in order of arrival. It is full when the request at its head has waited for
CLASSIFIER_MAX_WAIT seconds: whoever asked has likely given up, and to rate it would make all behind
it wait as long. A refusal reads no text, so that the queue is soon short again.
"""

from django.conf import settings

from classifier import metrics
from classifier.exceptions import Overloaded
from classifier.messages import message
from classifier.waiting import waited

RETRY_SECONDS = 2


def require_room() -> None:
    """
    Raises:
        Overloaded: this thread's request has waited too long.
    """
    most: float = settings.CLASSIFIER_MAX_WAIT
    seconds = waited()
    if most and seconds > most:
        metrics.OVERLOADED.inc()
        raise Overloaded(
            code="overloaded",
            rule=message("A request may wait {most:g} s for its turn.", most=most),
            value=message("{seconds:.1f} s", seconds=seconds),
            remedy=message("Send it again in some seconds; nothing of it was kept."),
        )
