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


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--transactions", type=int, default=1000, help="of each process")
    parser.add_argument("--plant", choices=sorted(PLANTS), default="none")
    options = parser.parse_args(arguments)
    code = WRITE.format(transactions=options.transactions, plant=PLANTS[options.plant])
    with tempfile.TemporaryDirectory(prefix="write-sqlite-") as directory:
        site = Site.prepared(Path(directory))
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", code],
                cwd=ROOT,
                env=site.environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            for _ in range(options.processes)
        ]
        for writer in writers:
            assert writer.stdout
            if writer.stdout.readline() != "ready\n":
                raise RuntimeError("A writer did not start.")
        said = []
        for writer in writers:  # all at once, not as each has started
            assert writer.stdin
            writer.stdin.write("go\n")
            writer.stdin.flush()
        for writer in writers:
            said.append(json.loads(writer.communicate(timeout=1800)[0]))
        counted = site.manage(
            *("shell", "--no-imports", "--command"),
            "from classifier.models import Prediction; print(Prediction.objects.count())",
        )
    tried = options.processes * options.transactions
    locked = sum(one for one, _ in said)
    missing = tried - locked - int(counted)
    slowest = float(np.percentile([took for _, seconds in said for took in seconds], 99))
    sys.stdout.write(
        report(
            "T7",
            unit="transactions",
            tried=tried,
            failures=locked + missing + (slowest > SLOWEST),
            target="none locked, none lost; slowest hundredth within 50 ms",
            figures={
                "processes": options.processes,
                "database is locked": locked,
                "rows missing": missing,
                "slowest hundredth, ms": f"{slowest * 1000:.1f}",
            },
        )
    )
    return 1 if locked or missing or slowest > SLOWEST else 0


if __name__ == "__main__":
    sys.exit(main())
