"""Bulk jobs with workers in processes of their own, over both queues and both databases."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from classifier.predictor import load_predictor
from tests import reviews
from tests.bulk_workers import BulkSite, redone
from tests.servers import own_redis
from tests.site import ROOT

ROWS = 4000
CHUNKS = -(-ROWS // 256)
CHUNK_SECONDS = 0.2
MAX_CHARS = 100_000
SECONDS = 90  # for what takes a tenth of that on an idle machine


@pytest.fixture(params=["files and SQLite", "Redis and PostgreSQL"])
def services(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the environment says of queue and database."""
    if request.param == "files and SQLite":
        return {}
    return {
        "REDIS_URL": request.getfixturevalue("redis_url"),
        "DATABASE_URL": request.getfixturevalue("postgresql_url"),
    }


@pytest.fixture(scope="session")
def table() -> list[tuple[str, str, str]]:
    """Rows no two of which have the same text."""
    rows = reviews.rows(ROWS)
    return [(number, f"{text} {number}" if text else "", note) for number, text, note in rows]


def rated_here(content: bytes, model: Path) -> bytes:
    predictor = load_predictor(model, models_dir=model.parent)
    return reviews.rated_here(content, "a.csv", predictor.classify, max_chars=MAX_CHARS)


def test_killed_workers_lose_no_row_and_redo_at_most_a_chunk_each(
    services: dict[str, str],
    exported_model_dir: Path,
    tmp_path: Path,
    table: list[tuple[str, str, str]],
) -> None:
    content = reviews.as_bytes(table, ".csv")
    rng, kills = random.Random(0), 0
    with BulkSite.prepared(
        tmp_path,
        {"CLASSIFIER_MODEL": str(exported_model_dir), **services},
        chunk_seconds=CHUNK_SECONDS,
    ) as bulk:
        job = bulk.submit(content)
        bulk.start("beat", "beat")
        for name in ("one", "two"):
            bulk.start(name)
        for victim, after in (("one", 3), ("two", 8)):  # chunks
            while len(bulk.journal(job)) < 2 * after:
                assert bulk.status(job) in ("queued", "running"), bulk.said()
                time.sleep(0.02)
            time.sleep(rng.uniform(0, CHUNK_SECONDS))
            bulk.kill(victim)
            kills += 1
            if victim == "one":  # the other one does the rest
                bulk.start(victim)

        assert bulk.wait_until_over(job, seconds=SECONDS) == "succeeded", bulk.said()

        journal = bulk.journal(job)
        assert {entry.number for entry in journal} == {*range(1, CHUNKS + 1)}
        # A worker that is killed between its commit and its note has rated a chunk, too.
        noted = {entry.number for entry in journal if entry.event == "rated"}
        assert CHUNKS - len(noted) <= kills
        assert redone(journal) <= kills
        assert len({entry.pid for entry in journal}) >= 2  # they shared the work
        kept = Counter(text for (text,) in bulk.rows("SELECT text FROM classifier_prediction"))
        assert kept == Counter(text for _, text, _ in table if text)
        assert reviews.digest(bulk.result(job)) == reviews.digest(
            rated_here(content, exported_model_dir)
        )
        [(done, rated, bad, left)] = bulk.rows(
            "SELECT done, rated_rows, bad_rows, (SELECT count(*) FROM classifier_bulkchunk) "
            "FROM classifier_bulkjob"
        )
        assert (done, rated, bad, left) == (ROWS, ROWS - 80, 80, 0)


CLAIM_ALL = """
import sys, django
django.setup()
from classifier.bulk_jobs.chunk_claims import claim_chunk
from classifier.models import BulkJob
job = BulkJob.objects.get().pk
print("ready", flush=True)
input()
claims = []
while claim := claim_chunk(job):
    claims.append(claim.number)
    if claim.number % 2:
        claim.finish(b"x", bad_rows=0, ratings=[0] * 10)
print(*claims)
"""


def test_each_chunk_is_claimed_by_one_of_many_processes(
    services: dict[str, str], tmp_path: Path
) -> None:
    with BulkSite.prepared(tmp_path, {"JOB_LEASE_SECONDS": "600", **services}) as bulk:
        bulk.shell(
            "from classifier.models import *\n"
            "job = BulkJob.objects.create(filename='a.csv', text_column='text')\n"
            "BulkChunk.objects.bulk_create(\n"
            "    BulkChunk(job=job, number=n, rows=1, input=b'x') for n in range(1, 201))"
        )
        claimers = [
            subprocess.Popen(
                [sys.executable, "-c", CLAIM_ALL],
                cwd=ROOT,
                env=bulk.site.environment,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
            for _ in range(3)
        ]
        for claimer in claimers:
            assert claimer.stdout
            assert claimer.stdout.readline() == "ready\n"
        for claimer in claimers:
            assert claimer.stdin
            claimer.stdin.write("go\n")
            claimer.stdin.flush()
        said = [claimer.communicate(timeout=SECONDS) for claimer in claimers]
        assert [errors for _, errors in said] == [""] * 3
        claimed = [[int(number) for number in numbers.split()] for numbers, _ in said]
        assert all(numbers == sorted(numbers) for numbers in claimed)
        assert Counter(n for numbers in claimed for n in numbers) == Counter(range(1, 201))
        assert sum(bool(numbers) for numbers in claimed) > 1


SUBMIT_WHEN_TOLD = """
import sys, time, django
django.setup()
from io import BytesIO
from classifier.bulk_jobs.submission import submit
from classifier.models import Prediction
for line in sys.stdin:
    started = time.monotonic()
    job = submit(
        BytesIO(b"text\\na good film\\n"), line.strip() + ".csv", text_column="text",
        keep_texts=False, source=Prediction.Source.API,
    )
    print(time.monotonic() - started, job.status, flush=True)
"""


def test_a_broken_broker_delays_no_one_and_loses_nothing(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    with (
        own_redis(tmp_path) as redis,
        BulkSite.prepared(
            tmp_path, {"CLASSIFIER_MODEL": str(exported_model_dir), "REDIS_URL": redis.url}
        ) as bulk,
        subprocess.Popen(
            [sys.executable, "-c", SUBMIT_WHEN_TOLD],
            cwd=ROOT,
            env=bulk.site.environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as web,
    ):

        def submit(name: str) -> float:
            assert web.stdin
            assert web.stdout
            web.stdin.write(f"{name}\n")
            web.stdin.flush()
            took, status = web.stdout.readline().split()
            assert status == "queued"
            return float(took)

        submit("emptied")
        redis.client().flushall()
        redis.freeze()
        assert submit("hung") <= 3.0
        redis.thaw()
        redis.stop()
        assert submit("refused") <= 1.0
        redis.start()
        assert web.stdin
        web.stdin.close()
        waiting = bulk.rows("SELECT status FROM classifier_bulkjob")
        assert waiting == [("queued",)] * 3

        bulk.start("beat", "beat")
        bulk.start("one")
        deadline = time.monotonic() + SECONDS
        query = "SELECT count(*) FROM classifier_bulkjob WHERE status = 'succeeded'"
        while bulk.rows(query) != [(3,)]:
            assert time.monotonic() < deadline, bulk.said()
            time.sleep(0.1)


RATE_WITHOUT_A_MODEL = """
import django, json, os, time
django.setup()
from pathlib import Path
from classifier.bulk_jobs import served, work
from classifier.bulk_jobs.submission import submit
from classifier.models import BulkJob, ModelVersion, Prediction
from classifier.classification import Classification
from classifier.task import Task
from tests import reviews
class Fake:
    name, revision, task = "fake", "0", Task()
    def classify(self, texts):
        return [Classification("POSITIVE", 0.9, 0.9, 9, 1) for _ in texts]
    def require_single_texts(self): pass
served.holder.get = Fake
def submit_file(path):
    with path.open("rb") as stream:
        return submit(stream, path.name, text_column="text", keep_texts=False,
                      source=Prediction.Source.API)
def peak():
    # Not ru_maxrss, which counts what the parent had.
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024
small, large = Path(os.environ["SMALL"]), Path(os.environ["LARGE"])
submit_file(small)
work.work()
before, started = peak(), time.monotonic()
job = submit_file(large)
submitted = time.monotonic()
work.work()
job.refresh_from_db()
print(json.dumps({
    "status": job.status, "error": job.error, "rows": job.done, "mebibytes": peak() - before,
    "submit": submitted - started, "work": time.monotonic() - submitted,
}))
"""


def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    rows = 80_000
    with BulkSite.prepared(tmp_path) as bulk:
        for name, count in (("small", 1000), ("large", rows)):
            lines = (
                f"{n},a lovely film of the year {n} {'and more ' * 55}\n" for n in range(count)
            )
            with (tmp_path / f"{name}.csv").open("w") as file:
                file.write("id,text\n")
                file.writelines(lines)
        paths = {name: str(tmp_path / f"{name.lower()}.csv") for name in ("SMALL", "LARGE")}
        done = subprocess.run(
            [sys.executable, "-c", RATE_WITHOUT_A_MODEL],
            cwd=ROOT,
            env=bulk.site.environment | paths,
            text=True,
            capture_output=True,
        )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    sys.stdout.write(f"{said}\n")
    assert (said["status"], said["rows"]) == ("succeeded", rows), said["error"]
    assert said["mebibytes"] < 60  # the file itself has 43 MiB
