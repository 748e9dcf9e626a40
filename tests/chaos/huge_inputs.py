"""Texts of up to 50 MB, a table of 100,000 columns, and one of a million rows.

    python tests/chaos/huge_inputs.py --rows 1000000

What is over a limit must be refused within 50 ms, the median of five, with the status that says so,
and the web processes may grow by 20 MB; texts under it are timed beside them. Then a CSV goes from
POST /api/bulk to its result, which must have every row once, and neither the web processes nor the
bulk worker may rise by more than 200 MB over their idle state. Idle is measured after each has
rated a small file, so with the model loaded; resident memory is sampled many times a second.

--plant slurp reads the upload as a whole where the worker should stream it; the worker must then
be over the limit.
"""

import argparse
import csv
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any, Self
from urllib.parse import urlsplit

import psutil

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.chaos.findings import report  # noqa: E402
from tests.chaos.world import World, csv_of, reviews, until, world  # noqa: E402

LIMIT = 200.0  # MB above idle, of a table of many rows
REFUSALS_LIMIT = 20.0  # MB above idle, of what is refused
REFUSED_WITHIN = 50.0  # ms
TRIES = 5
EVERY = 0.05  # seconds between two samples of memory
TEXTS = {0.01: 200, 0.1: 200, 1: 400, 5: 413, 10: 413, 50: 413}
"""MB of a text, and the status of its answer."""
COLUMNS = 100_000
PLANTS = {
    "none": "",
    "slurp": (
        "import io\n"
        "from classifier import files\n"
        "from classifier.bulk_jobs import upload\n"
        "kept = []\n"
        "def slurp(file):\n"
        "    kept.append(b''.join(files.pieces(file)) * 30)\n"
        "    return io.BytesIO(kept[-1][:file.size])\n"
        "upload.open_stored = slurp\n"
    ),
}


class Gauge(threading.Thread):
    """The resident memory of processes and of all below them, in MB, while it is entered."""

    def __init__(self, *pids: int) -> None:
        super().__init__(daemon=True)
        self._pids, self.ended = pids, threading.Event()
        self.idle = self.peak = self.above = 0.0

    def now(self) -> float:
        total = 0
        for pid in self._pids:
            try:
                root = psutil.Process(pid)
                for process in [root, *root.children(recursive=True)]:
                    total += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return total / 1e6

    def __enter__(self) -> Self:
        self.idle = self.now()
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.join()
        self.above = max(0.0, self.peak - self.idle)

    def run(self) -> None:
        while not self.ended.wait(EVERY):
            self.peak = max(self.peak, self.now())


def finished(w: World, job: str) -> bool:
    said = w.get(f"/api/bulk/{job}")
    if said["status"] == "failed":
        raise AssertionError(said)
    return bool(said["status"] == "succeeded")


def upload(w: World, path: Path) -> str:
    """As curl does: the file is streamed from the disk."""
    said = subprocess.run(
        ["curl", "--silent", "--fail", "-F", f"file=@{path}", f"{w.site.url}/api/bulk"],
        capture_output=True,
        check=True,
    )
    return str(json.loads(said.stdout)["id"])


def ask(w: World, path: str, body: bytes, content_type: str) -> tuple[int, float]:
    """POST a body as a client does that sends all of it; the status and the ms to it."""
    started = time.perf_counter()
    with closing(HTTPConnection(urlsplit(w.site.url).netloc, timeout=60)) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # it is refused before its end
            connection.request("POST", path, body, {"Content-Type": content_type})
        status = connection.getresponse().status
        return status, (time.perf_counter() - started) * 1000


def answered(w: World, figures: dict[str, Any]) -> list[str]:
    """Send what is huge; what was wrong of the answers."""
    wrong = []
    word = b"fine film "
    wide = ",".join(f"column {number}" for number in range(COLUMNS))
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="wide.csv"\r\n\r\n'
    inputs = {
        f"a text of {size:g} MB": (
            status,
            "/api/predict",
            b'{"text": "' + word * int(size * 1e6 / len(word)) + b'"}',
            "application/json",
        )
        for size, status in TEXTS.items()
    }
    inputs[f"a table of {COLUMNS:,} columns"] = (
        400,
        "/api/bulk",
        form + f"{wide}\n{wide}\n".encode() + b"\r\n--b--\r\n",
        "multipart/form-data; boundary=b",
    )
    for name, (expected, path, body, content_type) in inputs.items():
        answers = [ask(w, path, body, content_type) for _ in range(TRIES)]
        statuses = {status for status, _ in answers}
        took = median(ms for _, ms in answers)
        figures[f"{name}: status, ms"] = f"{', '.join(map(str, statuses))}, {took:.0f}"
        if statuses != {expected} or (expected >= 400 and took > REFUSED_WITHIN):
            wrong.append(name)
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=12, help="of a review")
    parser.add_argument("--plant", choices=sorted(PLANTS), default="none")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="million-rows-") as directory,
        world(Path(directory)) as w,
    ):
        source = Path(directory) / "reviews.csv"
        with source.open("w", encoding="utf-8") as file:
            file.write("text\n")
            file.writelines(f"{text}\n" for text in reviews(options.rows, seed=1))
        w.start("worker-bulk", plant=PLANTS[options.plant])
        w.start("beat")
        small = w.rate_file("small.csv", csv_of(1000))["id"]
        until(lambda: finished(w, small), seconds=120, what="the small file")
        assert w.site.process
        web, worker = w.site.process.pid, w.processes["worker-bulk"].pid
        figures: dict[str, Any] = {}
        ask(w, "/api/predict", b'{"text": "a fine film"}', "application/json")
        with Gauge(web) as refusing:
            wrong = answered(w, figures)
        with Gauge(web) as serving, Gauge(worker) as rating:
            started = time.monotonic()
            job = upload(w, source)
            accepted = time.monotonic() - started
            until(lambda: finished(w, job), seconds=4 * 3600, what="the file", every=1)
            rated = time.monotonic() - started
            result = Path(directory) / "result.csv"
            with (
                urllib.request.urlopen(f"{w.site.url}/api/bulk/{job}/result") as said,
                result.open("wb") as kept,
            ):
                shutil.copyfileobj(said, kept)
        right = 0
        with result.open(encoding="utf-8", newline="") as file:
            for row, text in zip(csv.DictReader(file), reviews(options.rows, seed=1), strict=True):
                right += row["text"] == text and row["rating"].isdigit()
        size = source.stat().st_size
    over = [gauge for gauge in (serving, rating) if gauge.above > LIMIT]
    failures = len(wrong) + len(over) + (right != options.rows)
    failures += refusing.above > REFUSALS_LIMIT
    figures |= {
        "wrong": ", ".join(wrong) or 0,
        f"web above idle meanwhile (MB, at most {REFUSALS_LIMIT:.0f})": f"{refusing.above:.0f}",
        "rows": f"{options.rows:,}",
        "bytes": f"{size:,}",
        "rows in the result, each once and rated": f"{right:,}",
        "web, idle (MB)": f"{serving.idle:.0f}",
        f"web, above idle (MB, at most {LIMIT:.0f})": f"{serving.above:.0f}",
        "worker, idle (MB)": f"{rating.idle:.0f}",
        f"worker, above idle (MB, at most {LIMIT:.0f})": f"{rating.above:.0f}",
        "accepted after (s)": f"{accepted:.1f}",
        "rated after (s)": f"{rated:.0f}",
        "rows/s": f"{options.rows / rated:,.0f}",
    }
    sys.stdout.write(
        report(
            "T17",
            unit="rows and huge inputs",
            tried=options.rows + len(TEXTS) + 1,
            failures=failures,
            target=f"each row rated once, processes grow by {LIMIT:.0f} MB at most; what is too "
            f"large is refused within {REFUSED_WITHIN:.0f} ms and {REFUSALS_LIMIT:.0f} MB",
            figures=figures,
        )
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
