"""PostgreSQL crashes and comes back, ten times, while reviews and a file are rated.

    python tests/chaos/restart_postgresql.py --restarts 10

Each restart is `pg_ctl stop --mode immediate` and a start, at a seeded moment. Clients send reviews
all the while; an answer of 200 acknowledges a row. Exits 1 where an acknowledged row is not in the
database at the end, an error was another than 503, the site took more than 5 s to answer
again after a restart, or the file was not rated, every row once.

--plant fsync-off makes PostgreSQL forget with every crash what it has not written yet (as
synchronous_commit = off does); rows must then be lost.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
import urllib.error
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.chaos.findings import report  # noqa: E402
from tests.chaos.world import World, csv_of, until, world  # noqa: E402
from tests.services.client import download  # noqa: E402

RECOVERY = 5.0  # seconds
FILE_ROWS = 5000


class Client(threading.Thread):
    """Sends reviews and keeps what was acknowledged."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.world, self.ended = world, threading.Event()
        self.acknowledged: list[str] = []
        self.errors: Counter[str] = Counter()

    def run(self) -> None:
        while not self.ended.is_set():
            try:
                self.acknowledged.append(self.world.predict(f"a dull story {time.time()}")["id"])
            except urllib.error.HTTPError as error:
                self.errors[str(error.code)] += 1
                error.close()
                time.sleep(0.05)
            except OSError as error:
                self.errors[type(error).__name__] += 1
                time.sleep(0.05)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--restarts", type=int, default=10)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plant", choices=["none", "fsync-off"], default="none")
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    recoveries = []
    with (
        tempfile.TemporaryDirectory(prefix="restart-postgresql-") as directory,
        world(Path(directory)) as w,
    ):
        if options.plant == "fsync-off":
            with (w.postgresql.data / "postgresql.conf").open("a") as conf:
                conf.write("synchronous_commit = off\nwal_writer_delay = 10000\n")
            w.postgresql.stop("fast")
            w.postgresql.start()
        w.start("worker-bulk")
        w.start("beat")
        clients = [Client(w, f"client-{number}") for number in range(options.clients)]
        job = w.rate_file("reviews.csv", csv_of(FILE_ROWS, words=20))["id"]
        for client in clients:
            client.start()
        for _ in range(options.restarts):
            time.sleep(rng.uniform(0.5, 3))
            w.postgresql.stop("immediate")
            time.sleep(rng.uniform(0, 1))
            w.postgresql.start()
            _, took = until(
                lambda: w.predict("a warm evening"), seconds=60, what="an answer", every=0.02
            )
            recoveries.append(took)
        for client in clients:
            client.ended.set()
        for client in clients:
            client.join()
        until(
            lambda: w.get(f"/api/bulk/{job}")["status"] in ("succeeded", "failed"),
            seconds=180,
            what="the file's rating",
        )
        said = w.get(f"/api/bulk/{job}")
        kept = {str(key) for (key,) in w.rows("SELECT id FROM classifier_prediction")}
        result = (
            download(w.site, f"/api/bulk/{job}/result") if said["status"] == "succeeded" else b""
        )
    acknowledged = [key for client in clients for key in client.acknowledged]
    lost = [key for key in acknowledged if key not in kept]
    errors: Counter[str] = sum((client.errors for client in clients), Counter())
    odd = {code: count for code, count in errors.items() if code != "503"}
    rows = result.count(b"\n") - 1
    slow = [took for took in recoveries if took > RECOVERY]
    failures = len(lost) + len(odd) + len(slow) + (rows != FILE_ROWS)
    figures = {
        "crashes of PostgreSQL": options.restarts,
        "rows acknowledged": len(acknowledged),
        "acknowledged and lost": len(lost),
        "errors while it was down": dict(errors),
        f"slowest recovery (s, at most {RECOVERY:.0f})": f"{max(recoveries):.2f}",
        "rows of the file rated": f"{rows} of {FILE_ROWS} ({said['status']})",
    }
    sys.stdout.write(
        report(
            "T6",
            unit="acknowledged rows",
            tried=len(acknowledged),
            failures=failures,
            target="none lost, only 503 meanwhile, an answer within 5 s of the restart",
            figures=figures,
        )
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
