"""A CSV of a million rows from POST /api/bulk to its result, and what memory that takes.

    python tests/chaos/million_rows.py --rows 1000000

Samples the resident memory of the web processes and of the bulk worker four times a second, and
exits 1 where either rose by more than 300 MB over its idle state, or the result does not have every
row once. Idle is measured after each has rated a small file, so with the model loaded.

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
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.chaos.findings import report  # noqa: E402
from tests.chaos.world import World, csv_of, reviews, until, world  # noqa: E402

LIMIT = 300.0  # MB above idle
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
    """The largest resident memory of a process and of all below it, in MB."""

    def __init__(self, pids: list[int]) -> None:
        super().__init__(daemon=True)
        self._pids, self.ended = pids, threading.Event()
        self.peak = 0.0

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

    def run(self) -> None:
        while not self.ended.wait(0.25):
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
        gauges = {
            "web": Gauge([w.site.process.pid]),
            "worker": Gauge([w.processes["worker-bulk"].pid]),
        }
        idle = {name: gauge.now() for name, gauge in gauges.items()}
        for gauge in gauges.values():
            gauge.start()
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
        for gauge in gauges.values():
            gauge.ended.set()
        right = 0
        with result.open(encoding="utf-8", newline="") as file:
            for row, text in zip(csv.DictReader(file), reviews(options.rows, seed=1), strict=True):
                right += row["text"] == text and row["rating"].isdigit()
        size = source.stat().st_size
    above = {name: gauge.peak - idle[name] for name, gauge in gauges.items()}
    over = [name for name, rise in above.items() if rise > LIMIT]
    failures = len(over) + (right != options.rows)
    figures = {
        "rows": f"{options.rows:,}",
        "bytes": f"{size:,}",
        "rows in the result, each once and rated": f"{right:,}",
        **{f"{name}, idle (MB)": f"{idle[name]:.0f}" for name in gauges},
        **{
            f"{name}, above idle (MB, at most {LIMIT:.0f})": f"{above[name]:.0f}" for name in gauges
        },
        "accepted after (s)": f"{accepted:.1f}",
        "rated after (s)": f"{rated:.0f}",
        "rows/s": f"{options.rows / rated:,.0f}",
    }
    sys.stdout.write(
        report(
            "T17",
            unit="rows of one file",
            tried=options.rows,
            failures=failures,
            target=f"each rated once; processes grow by {LIMIT:.0f} MB at most",
            figures=figures,
        )
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
