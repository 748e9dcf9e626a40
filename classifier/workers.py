"""A worker's signs of life, given beside its work from a thread of its own."""

import logging
import socket
import threading
from collections.abc import Sequence
from typing import Any

from celery.signals import worker_ready, worker_shutdown
from django.db import DatabaseError, InterfaceError, connection
from django.db.models.functions import Now

from classifier.models import Worker

logger = logging.getLogger(__name__)

SIGN_SECONDS = 15.0


def give_sign(name: str, queues: Sequence[str] = (), *, starts: bool = False) -> None:
    """Write that `name` is alive now, by the database's clock.

    Args:
        starts: whether it has just been started; one that was killed has left its row behind.

    Raises:
        DatabaseError: the database does not answer.
    """
    host = socket.gethostname()
    seen: dict[str, Any] = {"host": host, "queues": list(queues), "seen_at": Now()}
    if starts:
        seen["since"] = Now()
    if not Worker.objects.filter(pk=name).update(**seen):
        Worker.objects.bulk_create(
            [Worker(name=name, host=host, queues=list(queues))], ignore_conflicts=True
        )


class Signs:
    """Gives signs of life from `start` to `stop`, and takes its row away in the end."""

    def __init__(self, name: str, queues: Sequence[str]) -> None:
        self._name = name
        self._queues = list(queues)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="signs of life", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(SIGN_SECONDS)

    def _run(self) -> None:
        try:
            self._try(lambda: give_sign(self._name, self._queues, starts=True))
            while not self._over.wait(SIGN_SECONDS):
                self._try(lambda: give_sign(self._name, self._queues))
            self._try(Worker.objects.filter(pk=self._name).delete)
        finally:
            connection.close()

    def _try(self, step: Any) -> None:
        try:
            step()
        except (DatabaseError, InterfaceError) as error:
            # The worker works on; who looks for it sees that it was silent.
            logger.warning("No sign of life of %s: %s", self._name, error)
            connection.close()


_signs: list[Signs] = []


@worker_ready.connect(weak=False)
def _begin(sender: Any, **kwargs: Any) -> None:
    signs = Signs(sender.hostname, sorted(sender.app.amqp.queues.consume_from))
    _signs.append(signs)
    signs.start()


@worker_shutdown.connect(weak=False)
def _end(**kwargs: Any) -> None:
    while _signs:
        _signs.pop().stop()
