"""Whether this worker has been asked to end."""

import threading
from typing import Any

from celery.signals import worker_shutting_down

_asked = threading.Event()


def shutting_down() -> bool:
    """Whether work that can go on later should stop at its next step."""
    return _asked.is_set()


# From a signal handler: it may set an event and no more.
@worker_shutting_down.connect(weak=False)
def ask(*args: Any, **kwargs: Any) -> None:
    """This worker shall end: Celery's signal, or SIGTERM to a process that is none of its own."""
    _asked.set()
