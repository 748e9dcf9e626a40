"""Ways in which a Hub is out of reach; each gives an endpoint."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.site import free_port


@contextmanager
def silent() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def refusing() -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@contextmanager
def unknown() -> Iterator[str]:
    yield "http://hub.invalid"
