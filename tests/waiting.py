"""Waiting for what happens in other threads and processes."""

import time
from collections.abc import Callable
from pathlib import Path

SECONDS = 300  # for what takes moments; a busy machine takes its time for it


def until(happened: Callable[[], object], *logs: Path) -> None:
    """Wait for it; where it does not come, fail with the ends of the logs."""
    deadline = time.monotonic() + SECONDS
    while not happened():
        assert time.monotonic() < deadline, "\n".join(log.read_text()[-3000:] for log in logs)
        time.sleep(0.02)
