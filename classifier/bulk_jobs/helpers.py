"""Messages that bring further workers to a job that runs."""

import logging
import threading
import time
from uuid import UUID

from django.db import Error

from classifier.jobs.wake import wake
from classifier.models import BulkJob
from reviewsite.celery import app

logger = logging.getLogger(__name__)

TASK = "classifier.tasks.rate_bulk_jobs"
CALL_EVERY = 5.0  # seconds between two calls of a process

_lock = threading.Lock()
_next_call = 0.0


def wake_task() -> object:
    """The task that wakes a worker, by name: tasks stand above all that work for them."""
    return app.signature(TASK)


def call_for_help(pk: UUID, *, at_once: bool = False) -> None:
    """Wake one more worker, which will call the next: all that idle come, and no more.

    A process calls once in CALL_EVERY seconds, so that no storm of messages arises.

    Args:
        at_once: even where it has called just now.
    """
    global _next_call
    with _lock:
        if not at_once and time.monotonic() < _next_call:
            return
        _next_call = time.monotonic() + CALL_EVERY
    try:
        wake(wake_task(), BulkJob, pk)
    except Error as error:
        logger.warning("No helper is called: %s", error)
