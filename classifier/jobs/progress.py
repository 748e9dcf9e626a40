"""How fast a job gets on, and when it will be done."""

import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Progress:
    done: int
    total: int
    """What `done` will be at the end; 0 is not known yet."""
    rate: float | None = None
    """Of `done` a second; None where it cannot be told."""
    seconds_left: float | None = None
    """None where total or rate are not known."""


@dataclass
class Pace:
    """The mean speed since the first look: pauses for saves and validations are part of it."""

    _first: tuple[float, int] | None = field(default=None, init=False)

    def at(self, done: int) -> float:
        """Pieces a second; 0 while it cannot be told.

        Args:
            done: pieces that are done now, those of earlier attempts among them.
        """
        now = time.monotonic()
        if self._first is None:
            self._first = (now, done)
        started, first = self._first
        return (done - first) / (now - started) if now > started else 0.0


def seconds_left(*, done: int, total: int, pace: float) -> float | None:
    """Until all is done at this pace; None where the total or the pace is not known."""
    return (total - done) / pace if total and pace > 0 else None
