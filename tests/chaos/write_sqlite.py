"""Eight processes that read and then write in one SQLite database, a thousand times each.

    python tests/chaos/write_sqlite.py --processes 8 --transactions 1000

Exits 1 where a transaction failed, a row is missing or the slowest hundredth took more than 50 ms.

--plant deferred takes the lock only when a transaction writes, as Django does unless it is told
otherwise; then transactions must fail with "database is locked".
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.chaos.findings import report  # noqa: E402
from tests.site import Site  # noqa: E402

SLOWEST = 0.050  # seconds, of the slowest hundredth
PLANTS = {
    "none": "",
    "deferred": "settings.DATABASES['default']['OPTIONS']['transaction_mode'] = 'DEFERRED'",
}
WRITE = """
import json, time
from django.conf import settings
import django
django.setup()
{plant}
from django.db import OperationalError, transaction
from classifier.models import ModelVersion, Prediction
print("ready", flush=True)
input()
seconds, locked = [], 0
for number in range({transactions}):
    started = time.monotonic()
    try:
        with transaction.atomic():
            version, _ = ModelVersion.objects.get_or_create(name="tiny", revision="1")
            Prediction.objects.create(
                text=f"Review {{number}}", text_sha256="0" * 64, label="POSITIVE", score=0.9,
                positive_probability=0.9, rating=9, truncated=False, windows=1,
                model_version=version, source=Prediction.Source.API,
            )
    except OperationalError:
        locked += 1
    seconds.append(time.monotonic() - started)
print(json.dumps([locked, seconds]))
"""


@dataclass(frozen=True)
class Written:
    """What came of processes that wrote at once."""

    locked: int
    """Transactions that failed with "database is locked"."""
    missing: int
    """Rows that were written and are not there."""
    seconds: tuple[float, ...]
    """That each transaction took."""


def write_at_once(
    folder: Path, *, processes: int, transactions: int, plant: str = "none"
) -> Written:
    """Let processes read and write in the database of a site in `folder`, so often each."""
    site = Site.prepared(folder)
    code = WRITE.format(transactions=transactions, plant=PLANTS[plant])
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=site.environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for _ in range(processes)
    ]
    for writer in writers:
        assert writer.stdout
        if writer.stdout.readline() != "ready\n":
            raise RuntimeError("A writer did not start.")
    for writer in writers:  # all at once, not as each has started
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    said = [json.loads(writer.communicate(timeout=1800)[0]) for writer in writers]
    counted = site.manage(
        *("shell", "--no-imports", "--command"),
        "from classifier.models import Prediction; print(Prediction.objects.count())",
    )
    locked = sum(one for one, _ in said)
    return Written(
        locked=locked,
        missing=processes * transactions - locked - int(counted),
        seconds=tuple(took for _, seconds in said for took in seconds),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--transactions", type=int, default=1000, help="of each process")
    parser.add_argument("--plant", choices=sorted(PLANTS), default="none")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="write-sqlite-") as directory:
        written = write_at_once(
            Path(directory),
            processes=options.processes,
            transactions=options.transactions,
            plant=options.plant,
        )
    slowest = float(np.percentile(written.seconds, 99))
    failures = written.locked + written.missing + (slowest > SLOWEST)
    sys.stdout.write(
        report(
            "T7",
            unit="transactions",
            tried=options.processes * options.transactions,
            failures=failures,
            target="none locked, none lost; slowest hundredth within 50 ms",
            figures={
                "processes": options.processes,
                "database is locked": written.locked,
                "rows missing": written.missing,
                "slowest hundredth, ms": f"{slowest * 1000:.1f}",
            },
        )
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
