"""The database's clock, and patience with a database that restarts."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection
from django.db.models import DateTimeField, ExpressionWrapper, Value
from django.db.models.functions import Now

logger = logging.getLogger(__name__)

PATIENCE = 60.0  # seconds; a restart of PostgreSQL takes some of them
PAUSE = 0.5  # seconds between attempts

T = TypeVar("T")


def from_now(delta: timedelta) -> ExpressionWrapper:
    """The moment `delta` from now by the database's clock, the one that all hosts share."""
    return ExpressionWrapper(Now() + Value(delta), output_field=DateTimeField())


def persistently(operation: Callable[[], T], *, patience: float = PATIENCE) -> T:
    """`operation()`, again and again while the database does not answer.

    It may have been done although the answer was lost, so it must bear being done twice. Inside
    a transaction it is tried once: what came before it in there is lost, too.

    Args:
        patience: seconds after which the error is raised.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return operation()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or time.monotonic() > deadline:
                raise
            logger.warning("The database does not answer (%s); trying again", _first_line(error))
            connection.close()
            time.sleep(PAUSE)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
