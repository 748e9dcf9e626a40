import subprocess
import sys
from pathlib import Path

from tests.site import ROOT, Site

PROCESSES = 6
TRANSACTIONS = 100  # in each process

READ_THEN_WRITE = f"""
import django
django.setup()
from django.db import transaction
from classifier.models import ModelVersion, Prediction
print("ready", flush=True)
input()
for number in range({TRANSACTIONS}):
    with transaction.atomic():
        version, _ = ModelVersion.objects.get_or_create(name="tiny", revision="1")
        Prediction.objects.create(
            text=f"Review {{number}}", text_sha256="0" * 64, label="POSITIVE", score=0.9,
            positive_probability=0.9, rating=9, truncated=False, windows=1,
            model_version=version, source=Prediction.Source.API,
        )
"""


def test_processes_that_read_and_then_write_never_find_the_database_locked(tmp_path: Path) -> None:
    site = Site.prepared(tmp_path)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", READ_THEN_WRITE],
            cwd=ROOT,
            env=site.environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(PROCESSES)
    ]
    for writer in writers:  # all at once, not as each has started
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    errors = [writer.communicate(timeout=120)[1] for writer in writers]
    assert errors == [""] * PROCESSES
    counted = site.manage(
        "shell",
        "--no-imports",
        "--command",
        "from classifier.models import *; print(Prediction.objects.count())",
    )
    assert int(counted) == PROCESSES * TRANSACTIONS
