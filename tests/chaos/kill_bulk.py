"""Kills bulk workers with SIGKILL at seeded moments, and lets some sleep through their leases.

    python tests/chaos/kill_bulk.py --kills 50 --rows 20000 --seed 0

Two real workers rate files of so many rows, one file after another, until there were so many
kills; each killed worker is started again, as a supervisor does. A kill comes inside a chunk, or at
any moment of a worker's life, its start among them. After every fifth one a worker is stopped
(SIGSTOP) until its lease is over and others have its work, and then woken to write what it must not
write. Each file's texts are kept as predictions.

Prints what was lost or done twice and exits 1 if anything was: a row without a prediction or with
two, a result that is not the one of rating without a queue (SHA-256), a file that is not rated in
the end, or more chunks redone than workers were lost.

--plant no-fence lets workers write whatever has become of their claims; --plant no-lease never
takes a chunk back from a lost worker. The figures must then be red.
"""

import argparse
import hashlib
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests import reviews, tiny  # noqa: E402
from tests.bulk_workers import LEASE, BulkSite, redone  # noqa: E402
from tests.chaos.findings import report  # noqa: E402
from tests.servers import own_postgresql, own_redis  # noqa: E402

WORKERS = ("one", "two")
CHUNK_SECONDS = 0.3
SLEEP_EACH = 5  # kills
START_SECONDS = 60
FILE_SECONDS = 120  # for the rest of a file, once nobody is killed any more
PLANTS = {
    "none": "",
    "no-fence": """
from classifier.models import BulkChunk
chunk_claims.ChunkClaim._mine = lambda self: BulkChunk.objects.filter(pk=self.pk)
""",
    "no-lease": """
from django.db.models import Q
chunk_claims.FREE = work.FREE = Q(lease_until__isnull=True)
""",
}


@dataclass
class Tally:
    kills: Counter[str] = field(default_factory=Counter)
    sleeps: int = 0
    files: int = 0
    rows: int = 0
    chunks: int = 0
    redone: int = 0
    claims: int = 0
    missing: int = 0
    doubled: int = 0
    equal: int = 0
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)

    @property
    def disturbed(self) -> int:
        return sum(self.kills.values()) + self.sleeps


class Tormentor:
    """Kills, and puts to sleep, the workers of one site."""

    def __init__(self, bulk: BulkSite, rng: random.Random, tally: Tally) -> None:
        self._bulk, self._rng, self._tally = bulk, rng, tally

    def disturb(self, job: str, kills: int) -> None:
        """Go on until the job is over or there were enough kills."""
        while sum(self._tally.kills.values()) < kills and not self._over(job):
            self._kill(job)
            if sum(self._tally.kills.values()) % SLEEP_EACH == 0:
                self._sleep(job)

    def _over(self, job: str) -> bool:
        return self._bulk.status(job) not in ("queued", "running")

    def _kill(self, job: str) -> None:
        name = self._rng.choice(WORKERS)
        moment = self._rng.choices(("inside a chunk", "at any moment"), (0.7, 0.3))[0]
        if moment == "inside a chunk":
            if not self._wait_for_chunk(job, name):
                return
            time.sleep(self._rng.uniform(0, CHUNK_SECONDS))
        else:
            time.sleep(self._rng.uniform(0, 3))
        if self._over(job):
            return
        self._bulk.kill(name)
        self._tally.kills[moment] += 1
        self._bulk.start(name)

    def _sleep(self, job: str) -> None:
        name = self._rng.choice(WORKERS)
        if not self._wait_for_chunk(job, name):
            return
        self._bulk.signal(name, signal.SIGSTOP)
        deadline = time.monotonic() + 2.5 * LEASE
        while time.monotonic() < deadline and not self._over(job):
            time.sleep(0.1)
        self._bulk.signal(name, signal.SIGCONT)
        self._tally.sleeps += 1

    def _wait_for_chunk(self, job: str, name: str) -> bool:
        """Until the worker has begun one; False where the job is over before."""
        pid = self._bulk.processes[name].pid

        def begun() -> int:
            entries = [entry for entry in self._bulk.journal(job) if entry.pid == pid]
            return sum(entry.event == "begun" for entry in entries)

        before, deadline = begun(), time.monotonic() + START_SECONDS
        while begun() == before:
            if self._over(job) or time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True


def table_of(rows: int, seed: int) -> list[tuple[str, str, str]]:
    """Rows no two of which have the same text."""
    return [
        (number, f"{text} {seed} {number}" if text else "", note)
        for number, text, note in reviews.rows(rows, seed=seed)
    ]


def rate(bulk: BulkSite, seed: int, rows: int, kills: int, rng: random.Random, t: Tally) -> None:
    """One file through all of it, and what became of its rows."""
    table = table_of(rows, seed)
    name = f"file-{seed}.csv"
    job = bulk.submit(reviews.as_bytes(table, ".csv"), name)
    started = time.monotonic()
    Tormentor(bulk, rng, t).disturb(job, kills)
    status = bulk.wait_until_over(job, seconds=FILE_SECONDS)
    t.seconds += time.monotonic() - started
    t.files += 1
    t.rows += rows
    if status != "succeeded":
        [(error,)] = bulk.rows(f"SELECT error FROM classifier_bulkjob WHERE id = '{job}'")
        t.lost.append(f"{name}: {status} {error}")
        bulk.shell(
            "from classifier.bulk_jobs.control import cancel\n"
            f"from classifier.models import BulkJob\ncancel(BulkJob.objects.get(pk={job!r}))"
        )
        return
    journal = bulk.journal(job)
    t.chunks += len({entry.number for entry in journal if entry.event == "begun"})
    t.redone += redone(journal)
    query = f"SELECT attempt FROM classifier_bulkjob WHERE id = '{job}'"
    t.claims += int(bulk.rows(query)[0][0])
    wanted = Counter(text for _, text, _ in table if text)
    query = f"SELECT text FROM classifier_prediction WHERE text LIKE '% {seed} %'"
    kept = Counter(text for (text,) in bulk.rows(query))
    t.missing += sum((wanted - kept).values())
    t.doubled += sum((kept - wanted).values())
    if hashlib.sha256(bulk.result(job)).hexdigest() == rated_without_queue(bulk, name):
        t.equal += 1
    else:
        t.lost.append(f"{name}: another result")


def rated_without_queue(bulk: BulkSite, name: str) -> str:
    """The digest of what `rate_file` makes of the same file."""
    out = bulk.site.var_dir / f"rated-{name}"
    bulk.site.manage("rate_file", str(bulk.site.var_dir / name), str(out))
    return hashlib.sha256(out.read_bytes()).hexdigest()


def said(t: Tally) -> str:
    return report(
        "T29",
        unit="kills of a bulk worker",
        tried=sum(t.kills.values()),
        failures=len(t.lost) + t.missing + t.doubled + max(0, t.redone - t.disturbed),
        target="every row rated once; one chunk redone at most for each worker lost",
        figures={
            **dict(sorted(t.kills.items())),
            "workers that slept": t.sleeps,
            "files": t.files,
            "rows": f"{t.rows:,}",
            "chunks": t.chunks,
            "chunks redone": t.redone,
            "chunks redone a lost or sleeping worker": f"{t.redone / max(t.disturbed, 1):.2f}",
            "times a job was taken up": t.claims,
            "rows without a prediction": t.missing,
            "rows with two": t.doubled,
            "results equal (sha256)": t.equal,
            "seconds": f"{t.seconds:.0f}",
            "files lost": len(t.lost),
        },
    ) + "".join(f"{line}\n" for line in t.lost)


def failed(t: Tally) -> bool:
    return bool(t.lost or t.missing or t.doubled or t.redone > t.disturbed)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--rows", type=int, default=20_000, help="of each file")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plant", choices=sorted(PLANTS), default="none")
    parser.add_argument(
        "--services",
        choices=["files", "redis"],
        default="redis",
        help="files: with SQLite; redis: with PostgreSQL",
    )
    options = parser.parse_args(arguments)
    rng, tally = random.Random(options.seed), Tally()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kill-bulk-")))
        environment = {"CLASSIFIER_MODEL": str(tiny.write_classifier(folder / "tiny"))}
        if options.services == "redis":
            environment["REDIS_URL"] = stack.enter_context(own_redis(folder)).url
            environment["DATABASE_URL"] = stack.enter_context(own_postgresql()).url
        (folder / "var").mkdir()
        bulk = stack.enter_context(
            BulkSite.prepared(
                folder / "var",
                environment,
                plant=PLANTS[options.plant],
                chunk_seconds=CHUNK_SECONDS,
            )
        )
        bulk.start("beat", "beat")
        for name in WORKERS:
            bulk.start(name)
        while sum(tally.kills.values()) < options.kills and not tally.lost:
            seed = options.seed * 1000 + tally.files + 1
            rate(bulk, seed, options.rows, options.kills, rng, tally)
        if tally.lost:
            sys.stdout.write(bulk.said() + "\n")
    sys.stdout.write(said(tally))
    return 1 if failed(tally) else 0


if __name__ == "__main__":
    sys.exit(main())
