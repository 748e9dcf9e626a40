"""The heaps of glibc's malloc, of which it would make eight a core: threads leave gaps in each."""

import ctypes
import os

MOST = 2
_M_ARENA_MAX = -8  # as malloc.h has it


def bound_arenas() -> bool:
    """Let this process, and those that it forks, have MOST heaps; whether that was done.

    MALLOC_ARENA_MAX of the environment says otherwise: glibc has read it. Where there is another
    malloc, such as the image's jemalloc, nothing asks glibc's for memory, and it does no harm.
    """
    if "MALLOC_ARENA_MAX" in os.environ:
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another libc
        return False
    return bool(mallopt(_M_ARENA_MAX, MOST))
