"""The id by which one finds all that a request set off: in answers, logs, jobs and workers."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token

HEADER = "X-Request-ID"
LONGEST = 64
_SANE = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
_current: ContextVar[str] = ContextVar("request_id", default="")


def current() -> str:
    """The id of the request, task or run that this code works for; "" for none."""
    return _current.get()


def accepted(sent: str | None) -> str:
    """The id that a request brought along if it is 8 to 64 letters, digits, . _ -; else a new one.

    Anything else could forge a line of the log, or fill it.
    """
    return sent if sent and _SANE.fullmatch(sent) else os.urandom(16).hex()


def enter(value: str) -> Token[str]:
    """From now on `value` is the current one, until `leave`."""
    return _current.set(value)


def leave(token: Token[str]) -> None:
    _current.reset(token)


@contextmanager
def bound(value: str) -> Iterator[None]:
    """`value` is the current id inside; where it is "", whatever was before."""
    token = enter(value or current())
    try:
        yield
    finally:
        leave(token)
