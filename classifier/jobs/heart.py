"""The heartbeat of a job, in a thread beside the work."""

import logging
import threading
import time
from types import TracebackType
from typing import Protocol, Self

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, connection

from classifier.jobs.claim import ClaimLost

logger = logging.getLogger(__name__)

LONGEST_STEP = 3600.0  # seconds without a check() after which the work counts as hung


class CancelRequested(Exception):
    """Someone wants the job to end."""


class Held(Protocol):
    """What a heart beats for: a Claim, or the claim of a part of a job."""

    @property
    def model(self) -> type: ...

    @property
    def pk(self) -> object: ...

    def heartbeat(
        self, *, done: int | None = None, total: int | None = None, stage: str | None = None
    ) -> bool: ...


class Heart:
    """Renews a claim's lease while the work goes on, and carries its progress to the row.

    The work calls `check` at every step. A work that has not for LONGEST_STEP seconds hangs:
    then the heart stops, the lease runs out, and `check` says so, should it ever be called again.
    """

    def __init__(
        self, claim: Held, *, every: float | None = None, longest_step: float = LONGEST_STEP
    ) -> None:
        """
        Args:
            every: seconds between beats; None takes JOB_HEARTBEAT_SECONDS.
            longest_step: seconds between two calls of `check` at most.
        """
        self._claim = claim
        self._every = settings.JOB_HEARTBEAT_SECONDS if every is None else every
        self._longest_step = longest_step
        self._lock = threading.Lock()
        self._told: dict[str, int | str] = {}
        self._checked_at = time.monotonic()
        self._lost = self._cancelled = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heart", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """To be called at every step.

        Raises:
            ClaimLost: the job is another's; nothing may be written any more.
            CancelRequested: the work shall end here.
        """
        self._checked_at = time.monotonic()
        if self._lost:
            raise ClaimLost(f"{self._claim.model.__name__} {self._claim.pk} is no longer held.")
        if self._cancelled:
            raise CancelRequested

    def progress(
        self, *, done: int | None = None, total: int | None = None, stage: str = ""
    ) -> None:
        """What the next beat tells; costs nothing now."""
        told = {"done": done, "total": total, "stage": stage or None}
        with self._lock:
            self._told |= {name: value for name, value in told.items() if value is not None}

    def beat(self) -> None:
        """Renew the lease and tell the progress now.

        Raises:
            Error: the database does not answer, and the progress waits for the next beat; or it
                refuses the progress, which is dropped: the lease matters more.
        """
        with self._lock:
            told, self._told = self._told, {}
        try:
            self._cancelled = self._claim.heartbeat(**told) or self._cancelled  # type: ignore[arg-type]
        except ClaimLost:
            self._lost = True
        except (OperationalError, InterfaceError):
            with self._lock:
                self._told = told | self._told
            raise

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._every) and not self._lost:
                if time.monotonic() - self._checked_at > self._longest_step:
                    logger.error("%s %s hangs", self._claim.model.__name__, self._claim.pk)
                    return
                try:
                    self.beat()
                except Error as error:
                    # The work goes on: the lease is long enough for a database that comes back.
                    logger.warning("No heartbeat: %s", error)
        finally:
            # Whatever ended it: without beats the job is soon another's.
            self._lost = self._lost or not self._stop.is_set()
            connection.close()
