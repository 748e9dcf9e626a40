"""How long PostgreSQL works for a process that serves: limits of statements, locks, transactions.

They are set on each connection as it is made, by a statement: PgBouncer refuses most options of a
connection's start. Commands of manage.py set none, so that neither a migration nor other long
maintenance is cut off. SQLite has a limit of its own, for its one lock (reviewsite.settings).
"""

from types import TracebackType
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.utils import DatabaseErrorWrapper

_UID = "reviewsite.time_limits"


def limit_web() -> None:
    """Limit what this process asks from now on, as a web process."""
    _limit(settings.DATABASE_STATEMENT_SECONDS)


def limit_worker() -> None:
    """Limit what this process asks from now on, as a worker: its statements may take longer."""
    _limit(settings.DATABASE_WORKER_STATEMENT_SECONDS)


def unlimited() -> None:
    """Set no limits any more, on connections that are made from now on."""
    connection_created.disconnect(dispatch_uid=_UID)


def _limit(statement_seconds: float) -> None:
    seconds = {
        "statement_timeout": statement_seconds,
        "lock_timeout": settings.DATABASE_LOCK_SECONDS,
        "idle_in_transaction_session_timeout": settings.DATABASE_IDLE_SECONDS,
    }
    limits = {name: f"{limit * 1000:.0f}ms" for name, limit in seconds.items() if limit}

    def set_limits(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
        if connection.vendor != "postgresql" or not limits:
            return
        calls = ", ".join(["set_config(%s, %s, false)"] * len(limits))
        try:
            with connection.cursor() as cursor:
                # Names and limits are parameters; only their number is put in.
                cursor.execute(  # nosemgrep: no-built-sql
                    f"SELECT {calls}",
                    [part for limit in limits.items() for part in limit],
                )
        except Exception:
            connection.close()  # one without limits would be kept
            raise
        connection.wrap_database_errors = _Errors(connection)

    unlimited()
    connection_created.connect(set_limits, weak=False, dispatch_uid=_UID)


class _Errors(DatabaseErrorWrapper):
    """A transaction that was left open for too long ends as a lost connection does.

    psycopg makes an InternalError of it, which is for faults of the database, and no answer to it
    would be "come again". Whatever reaches the server next finds it out: a statement, or COMMIT,
    which no execute_wrapper of Django's sees.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        super().__init__(connection)
        self._connection = connection

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if type(exc_value).__name__ == "IdleInTransactionSessionTimeout":
            self._connection.errors_occurred = True
            raise OperationalError(str(exc_value)).with_traceback(traceback) from exc_value
        super().__exit__(exc_type, exc_value, traceback)
