"""A process that does not outlive the one that started it.

A thread looks for its parent. Linux's own signal for a parent's death comes once for each thread
that the parent had, and to a run that is saving a second SIGTERM means to stop at once.
"""

import os
import signal
import threading
import time

LOOK_SECONDS = 0.5


def die_with(parent: int, *, grace: float) -> None:
    """From now on, SIGTERM when the parent is gone, and SIGKILL if that does not help.

    Args:
        parent: the process that shall be the parent; if it is gone already, exits here.
        grace: seconds between the two signals.
    """
    if os.getppid() != parent:
        raise SystemExit("The worker that started this process is gone.")
    threading.Thread(target=_watch, args=(parent, grace), name="parent", daemon=True).start()


def _watch(parent: int, grace: float) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    os.kill(os.getpid(), signal.SIGKILL)
