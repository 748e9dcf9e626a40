"""Redis refused, hung and emptied while files wait to be rated and reviews are rated.

    python tests/chaos/break_broker.py --rounds 3 --jobs 10

In each round, for each kind of trouble: Redis is broken, files are sent to POST /api/bulk and
reviews to POST /api/predict all the while, Redis is mended, and every file that was accepted must
come out rated. Prints the longest time that an acceptance took, and exits 1 where it was more than
1 s (refused) or 3 s (hung), a prediction failed, or a file was lost.

--plant forget sends each file's message once and never again, as a queue whose messages are the
jobs does; then files must be lost.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.chaos.findings import report  # noqa: E402
from tests.chaos.world import World, csv_of, until, world  # noqa: E402

LIMITS = {"refused": 1.0, "hung": 3.0, "emptied": 1.0}  # seconds to accept a file
PLANTS = {
    "none": "",
    "forget": "from classifier.bulk_jobs import work; work.reap = lambda: None",
}


class Visitor(threading.Thread):
    """Rates a review again and again, and counts what fails."""

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self.world, self.ended = world, threading.Event()
        self.rated = 0
        self.failed: list[str] = []
        self.slowest = 0.0

    def run(self) -> None:
        while not self.ended.is_set():
            started = time.monotonic()
            try:
                self.world.predict(f"a lovely film {self.rated}")
                self.rated += 1
            except Exception as error:
                self.failed.append(repr(error))
            self.slowest = max(self.slowest, time.monotonic() - started)


def broken(world: World, kind: str) -> Callable[[], None]:
    """Break Redis; how to mend it."""
    if kind == "refused":
        world.redis.stop()
        return world.redis.start
    if kind == "hung":
        world.redis.freeze()
        return world.redis.thaw
    return lambda: world.redis.client().flushall() and None


def rated(world: World, job: str) -> bool:
    said = world.get(f"/api/bulk/{job}")
    if said["status"] == "failed":
        raise AssertionError(said)
    return bool(said["status"] == "succeeded")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=10, help="sent in each trouble of each round")
    parser.add_argument("--seconds", type=float, default=120, help="for a job to be done after")
    parser.add_argument("--plant", choices=sorted(PLANTS), default="none")
    options = parser.parse_args(arguments)
    slowest = dict.fromkeys(LIMITS, 0.0)
    recovered = dict.fromkeys(LIMITS, 0.0)
    sent, lost, refused = 0, [], []
    with (
        tempfile.TemporaryDirectory(prefix="break-broker-") as directory,
        world(Path(directory)) as w,
    ):
        w.start("worker-bulk")
        w.start("beat", plant=PLANTS[options.plant])
        w.rate_file("first.csv", csv_of(20))  # for which the worker imports what it needs
        visitor = Visitor(w)
        visitor.start()
        for round_ in range(options.rounds):
            for kind in LIMITS:
                mend = broken(w, kind)
                jobs = []
                for number in range(options.jobs):
                    started = time.monotonic()
                    try:
                        jobs.append(w.rate_file(f"{number}.csv", csv_of(20, seed=round_))["id"])
                    except OSError as error:
                        refused.append(f"{kind}: {error!r}")
                    slowest[kind] = max(slowest[kind], time.monotonic() - started)
                sent += len(jobs)
                mend()
                mended = time.monotonic()
                for job in jobs:
                    try:
                        until(partial(rated, w, job), seconds=options.seconds, what=job)
                    except TimeoutError:
                        lost.append(f"{kind}: {job}")
                recovered[kind] = max(recovered[kind], time.monotonic() - mended)
        visitor.ended.set()
        visitor.join(timeout=60)
        if lost:
            sys.stdout.write(w.log("beat")[-1500:] + w.log("worker-bulk")[-1500:])
    late = [kind for kind, limit in LIMITS.items() if slowest[kind] > limit]
    failures = len(lost) + len(refused) + len(visitor.failed) + len(late)
    figures = {
        "troubles": options.rounds * len(LIMITS),
        **{
            f"slowest acceptance, {kind} (s, at most {limit:.0f})": f"{slowest[kind]:.2f}"
            for kind, limit in LIMITS.items()
        },
        **{
            f"all rated after it is mended, {kind} (s)": f"{recovered[kind]:.1f}" for kind in LIMITS
        },
        "files accepted": sent,
        "files refused": len(refused),
        "files lost": len(lost),
        "predictions meanwhile": visitor.rated,
        "predictions failed": len(visitor.failed),
        "slowest prediction (s)": f"{visitor.slowest:.2f}",
    }
    sys.stdout.write(
        report(
            "T4",
            unit="predictions and files",
            tried=visitor.rated + len(visitor.failed) + sent + len(refused),
            failures=failures,
            target="no prediction fails, no file is lost; a file is accepted within 1 s where Redis"
            " refuses, 3 s where it hangs",
            figures=figures,
        )
    )
    sys.stdout.write("".join(f"{line}\n" for line in (*lost, *refused, *visitor.failed[:5])))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
