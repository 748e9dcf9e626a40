"""How many heaps glibc's malloc has in a process whose threads ask it for memory at once."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reviewsite import arenas
from tests.site import ROOT

THREADS = 24
COUNT = """
import ctypes, sys, threading
{first}
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
libc.malloc.argtypes = [ctypes.c_size_t]
libc.fopen.argtypes = [ctypes.c_char_p] * 2
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fclose.argtypes = [ctypes.c_void_p]
together = threading.Barrier({threads})
def ask():
    together.wait()
    for _ in range(50):
        libc.malloc(2000)
threads = [threading.Thread(target=ask) for _ in range({threads})]
for each in threads: each.start()
for each in threads: each.join()
told = libc.fopen(sys.argv[1].encode(), b"w")
libc.malloc_info(0, told)
libc.fclose(told)
"""

pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or "LD_PRELOAD" in os.environ,
    reason="It is of glibc's malloc, which this Python does not use.",
)


def heaps(folder: Path, first: str, **environment: str) -> int:
    """Those of a process that begins with this code."""
    file = folder / "malloc.xml"
    inherited = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    subprocess.run(
        [sys.executable, "-c", COUNT.format(first=first, threads=THREADS), str(file)],
        cwd=ROOT,
        env={**inherited, **environment},
        check=True,
        timeout=60,
    )
    return len(re.findall(r"<heap nr=", file.read_text()))


def test_a_web_process_has_two_whatever_its_threads(tmp_path: Path) -> None:
    assert heaps(tmp_path, "import reviewsite.gunicorn") <= arenas.MOST
    assert heaps(tmp_path, "") > arenas.MOST  # else this test would see nothing


def test_the_environment_has_the_last_word(tmp_path: Path) -> None:
    told = heaps(tmp_path, "import reviewsite.gunicorn", MALLOC_ARENA_MAX="4")
    assert arenas.MOST < told <= 4
