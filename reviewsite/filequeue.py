"""Celery's queue in a folder, for one machine: a kombu transport, with one file a message.

kombu has one too, but it makes a message's file first and writes it second: a worker that looks
in between reads nothing, dies of that and loses the message. It does the same with a file of
bindings; here a binding is what each process declares for itself, so nothing can be half written
or missing.
"""

import logging
import time
import uuid
from pathlib import Path
from queue import Empty
from typing import Any

from kombu.transport import virtual
from kombu.utils.json import dumps, loads

logger = logging.getLogger(__name__)


class Channel(virtual.Channel):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.folder = Path(self.connection.client.transport_options["folder"])
        self.folder.mkdir(parents=True, exist_ok=True)

    def _put(self, queue: str, message: Any, **kwargs: Any) -> None:
        path = self.folder / f"{time.time_ns():020}_{uuid.uuid4().hex}.{queue}.msg"
        draft = _hidden(path)
        try:
            draft.write_text(dumps(message), encoding="utf-8")
            draft.rename(path)
        except OSError:  # a full disk: leave it no fuller
            draft.unlink(missing_ok=True)
            raise

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        for path in self._messages(queue):
            taken = _hidden(path)
            try:
                path.rename(taken)
            except FileNotFoundError:  # another worker has it
                continue
            try:
                message = loads(taken.read_text(encoding="utf-8"))
                _ = message["properties"]["delivery_tag"], message["body"]
            except (OSError, ValueError, LookupError, TypeError) as error:
                # It stays there, hidden: it shall not stop the worker, nor be tried again.
                logger.error("%s holds no message and is set aside: %r", taken, error)
                continue
            taken.unlink()
            return message
        raise Empty

    def _size(self, queue: str) -> int:
        return len(self._messages(queue))

    def _purge(self, queue: str) -> int:
        messages = self._messages(queue)
        for path in messages:
            path.unlink(missing_ok=True)
        return len(messages)

    def _messages(self, queue: str) -> list[Path]:
        """The oldest first."""
        return sorted(
            path for path in self.folder.iterdir() if path.name.partition(".")[2] == f"{queue}.msg"
        )


def _hidden(path: Path) -> Path:
    """Beside `path`, where it belongs to no queue: a queue's name follows the first dot."""
    return path.with_name(f".{path.name}")


class Transport(virtual.Transport):
    Channel = Channel
    polling_interval = 0.25  # seconds between looks into the folder
    default_port = 0
    driver_type = driver_name = "files"

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.state = virtual.BrokerState()

    def drain_events(self, connection: Any, timeout: float | None = None) -> None:
        # Between two of these a worker sees that it shall stop; Celery would wait for a second.
        wait = self.polling_interval
        super().drain_events(connection, timeout=min(wait if timeout is None else timeout, wait))
