"""How many processor cores this process may use."""

import os


def usable_cores() -> int:
    """At least 1; on Linux those that the process is confined to, elsewhere all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
