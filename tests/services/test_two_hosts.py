"""Two hosts that share PostgreSQL and Redis and no folder: work is shared, files reach both."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests import tiny
from tests.chaos.world import csv_of, until
from tests.servers import PostgreSQLServer, own_postgresql, own_redis
from tests.services.client import download, get, rate_file
from tests.services.hosts import Host, hosts
from tests.site import Site, command

ROWS = 20_000
KEEP_VERDICTS = """
from classifier.models import ModelVersion, Prediction, Verdict, text_digest
from tests import tiny
import random
rng = random.Random(0)
version, _ = ModelVersion.objects.get_or_create(name="tiny", revision="1")
for number in range(200):
    label = number % 2
    text = f"{tiny.sentence(label, rng)} {number}"
    said = Prediction.objects.create(
        text=text, text_sha256=text_digest(text), label="POSITIVE", score=0.9, rating=9,
        positive_probability=0.9, truncated=False, windows=1, model_version=version, source="form",
    )
    Verdict.objects.create(
        prediction=said, label=("NEGATIVE", "POSITIVE")[label], rating=9 if label else 2
    )
"""
START_RUN = """
from training.services import start_run
print(start_run(name="mine", overrides=dict(
    dataset="reviewed", base_model="tiny-base", device="cpu", precision="fp32", method="full",
    epochs=3.0, batch_size=8, learning_rate=3e-3, max_length=16, evaluations_per_epoch=1,
    experiment="",
)).pk)
"""
REPORT = """
import hashlib
from classifier.files import open_stored
from classifier.predictor import holder
from training.models import TrainingRun
run = TrainingRun.objects.get()
page = open_stored(run.report).read()
assert b"<html" in page and hashlib.sha256(page).hexdigest() == run.report.sha256
predictor = holder.get()
print(f"{predictor.name}@{predictor.revision}", run.model_version, run.lease_owner)
"""


@dataclass
class Cluster:
    """The site as its two hosts see it, each with a folder of its own."""

    postgresql: PostgreSQLServer
    sites: dict[str, Site]

    def rows(self, query: str) -> list[tuple[str, ...]]:
        with psycopg.connect(self.postgresql.url) as connection:
            return connection.execute(query).fetchall()


@pytest.fixture
def cluster(tmp_path: Path, exported_model_dir: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        address, (web, gpu) = stack.enter_context(hosts("web", "gpu"))
        redis = stack.enter_context(own_redis(tmp_path, host=address, password="secret"))
        postgresql = stack.enter_context(own_postgresql(host=address))
        sites = {}
        for host in (web, gpu):
            sites[host.name] = _site(tmp_path, host, redis.url, postgresql.url, exported_model_dir)
            tiny.write_base_model(sites[host.name].var_dir / "models" / "tiny-base")
        site = sites["web"]
        site.collect_static()
        for host, process in (
            *((web, "web"), (web, "beat"), (web, "worker-bulk")),
            *((gpu, "worker-bulk"), (gpu, "worker-training")),
        ):
            on = sites[host.name]
            log = on.var_dir / f"{process}.log"
            started = stack.enter_context(on.running(host.command(command(process)), log=log))
            if process == "web":
                site.log = log
                site.wait(started, "readyz")
        yield Cluster(postgresql, sites)


def _site(folder: Path, host: Host, redis: str, database: str, model: Path) -> Site:
    var_dir = folder / host.name
    var_dir.mkdir()
    site = Site.prepared(
        var_dir,
        DATABASE_URL=database,
        REDIS_URL=redis,
        CLASSIFIER_MODEL=str(model),
        ALLOWED_HOSTS="*",
        SECRET_KEY="of both hosts, and long enough to be one of the site's keys",
        BIND=f"{host.address}:8000",
        OMP_NUM_THREADS="1",
    )
    site.url = f"http://{host.address}:8000"
    return site


def test_two_hosts_rate_one_file_and_train_for_each_other(cluster: Cluster) -> None:
    web = cluster.sites["web"]
    # One for each worker to begin with: the first takes seconds, as the model is loaded for it.
    first = [rate_file(web, f"{n}.csv", csv_of(20)).json()["id"] for n in range(2)]
    until(
        lambda: all(get(web, f"/api/bulk/{id}").json()["status"] == "succeeded" for id in first),
        seconds=120,
        what="the rating of the first files",
    )

    content = csv_of(ROWS)
    job = rate_file(web, "reviews.csv", content).json()["id"]
    rated_by: set[str] = set()

    def over() -> bool:
        query = "SELECT DISTINCT lease_owner FROM classifier_bulkchunk WHERE rated_at IS NOT NULL"
        rated_by.update(owner.partition(":")[0] for (owner,) in cluster.rows(query))
        return get(web, f"/api/bulk/{job}").json()["status"] not in ("queued", "running")

    until(over, seconds=120, what="the file's rating", every=0.05)
    result = download(web, f"/api/bulk/{job}/result").decode().splitlines()
    assert [line.partition(",")[0] for line in result[1:]] == content.decode().splitlines()[1:]
    assert all(line.split(",")[1] in ("POSITIVE", "NEGATIVE") for line in result[1:])
    assert rated_by == {"web", "gpu"}

    web.manage("shell", "--command", KEEP_VERDICTS)
    run = web.manage("shell", "--command", START_RUN).split()[-1]
    query = f"SELECT status, error FROM training_trainingrun WHERE id = '{run}'"
    until(
        lambda: cluster.rows(query)[0][0] not in ("queued", "running"), seconds=180, what="the run"
    )
    assert cluster.rows(query) == [("succeeded", "")]
    # The web's host was given neither model nor report by anything but the database.
    web.environment["CLASSIFIER_MODEL"] = "mine"
    assert not (web.var_dir / "models" / "mine").exists()
    served, version, owner = web.manage("shell", "--command", REPORT).split()[-3:]
    assert served == version
    assert owner.startswith("gpu:")
    assert (web.var_dir / "models" / "mine" / "model.safetensors").is_file()
