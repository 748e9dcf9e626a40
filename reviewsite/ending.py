"""Whether this process was told to end: gunicorn's worker notes it, and /readyz tells balancers."""

from dataclasses import dataclass


@dataclass
class Ending:
    """A truth value and no threading.Event: a signal's handler may interrupt whoever asks."""

    told: bool = False


ending = Ending()
