"""Messages that wake a worker. One that is lost costs time, never a job."""

import logging
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import Error, transaction
from django.db.models import F, Q
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from classifier.jobs.database import from_now
from classifier.jobs.job import Job

logger = logging.getLogger(__name__)

AGAIN_AFTER = 30.0  # seconds after which a job that still waits gets another message
WAKE_AT_ONCE = 4  # a woken worker works until nothing waits, so a few messages wake enough


def wake(task: Any, model: type[Job], pk: UUID) -> bool:
    """Send a worker to the queue where this job waits; False where the broker does not answer.

    That is no loss: the row is there, and `wake_waiting` sends another.
    """
    try:
        # A worker that was busy for so long looks for what waits by itself.
        task.apply_async(expires=2 * AGAIN_AFTER, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("The queue does not answer, so %s %s waits: %s", model.__name__, pk, error)
        return False
    try:
        model.objects.filter(pk=pk).update(woken_at=Now())
    except Error as error:
        # The job is queued and its worker is woken; at worst it is woken again.
        logger.warning("When %s %s was announced could not be kept: %s", model.__name__, pk, error)
    return True


def wake_on_commit(task: Any, job: Job) -> None:
    """As `wake`, once the row can be seen by the worker."""
    transaction.on_commit(partial(wake, task, type(job), job.pk))


def wake_waiting(task: Any, model: type[Job], *, older_than: float = AGAIN_AFTER) -> int:
    """Send messages again for the jobs that have waited longest; how many were sent.

    Those that are paused are among them once somebody should look whether they can go on: a
    worker does that, for what they lack is a thing of its host.

    Args:
        older_than: seconds since the last message for a job.
    """
    waiting = (model.objects.claimable() | model.objects.to_look_at()).filter(
        Q(woken_at__isnull=True)
        | Q(woken_at__lt=F("look_at"))
        | Q(woken_at__lt=from_now(timedelta(seconds=-older_than)))
    )
    sent = 0
    for pk in waiting.order_by("queued_at", "pk").values_list("pk", flat=True)[:WAKE_AT_ONCE]:
        if not wake(task, model, pk):
            break  # nor would the next
        sent += 1
    return sent
