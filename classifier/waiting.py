"""How long the request that a thread works on has waited for it. gunicorn's worker says so."""

import threading

_thread = threading.local()


def note_wait(seconds: float) -> None:
    _thread.seconds = seconds


def waited() -> float:
    """Seconds; 0 for commands and workers, where nothing waits for a thread."""
    return float(getattr(_thread, "seconds", 0.0))
