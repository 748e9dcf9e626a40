"""Training by the real worker: started by API, killed, stopped, and always brought to its end."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker, Settings

from classifier.files import open_stored
from tests.classifier.jobs.databases import in_use, postgresql
from tests.site import STOP_SECONDS, Site, command
from tests.training import tiny_run
from tests.training.on_site import ON_SITE
from tests.waiting import until
from training import services
from training.checkpoints import numbered
from training.jobs.attempt import carry_out
from training.models import TrainingRun

EPOCHS = 4  # 120 steps, a checkpoint every ten: seconds, in which there is time to kill
SHORT_LEASES = {
    "JOB_LEASE_SECONDS": "3",
    "JOB_HEARTBEAT_SECONDS": "0.5",
    "REAP_SECONDS": "1",
}
START = """
from tests.training.on_site import ON_SITE
from training.services import start_run
start_run(name="mine", overrides=ON_SITE | {"epochs": EPOCHS})
"""


def prepared(var_dir: Path, base: Path, **environment: str) -> Site:
    tiny_run.write_site(var_dir, base)
    return Site.prepared(var_dir, OMP_NUM_THREADS="1", **SHORT_LEASES, **environment)


def start(site: Site, *, epochs: float) -> None:
    code = START.replace("EPOCHS", str(epochs))
    site.manage("shell", "--no-imports", "--command", code)


def row(site: Site) -> dict[str, Any]:
    connection = sqlite3.connect(site.var_dir / "db.sqlite3", timeout=20)
    connection.row_factory = sqlite3.Row
    try:
        return dict(connection.execute("SELECT * FROM training_trainingrun").fetchone())
    finally:
        connection.close()


def count(site: Site, table: str) -> int:
    connection = sqlite3.connect(site.var_dir / "db.sqlite3", timeout=20)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    finally:
        connection.close()


def checkpoint_steps(site: Site) -> list[int]:
    found = numbered(site.var_dir / "runs" / "mine" / "checkpoints")
    return [int(path.name.rpartition("-")[2]) for path in found]


def attempts(site: Site) -> list[int]:
    """The processes that train."""
    mark, found = f"VAR_DIR={site.var_dir}\0".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                b"run_training" in (process / "cmdline").read_bytes()
                and mark in (process / "environ").read_bytes()
            ):
                found.append(int(process.name))
        except OSError:
            continue
    return found


@contextmanager
def working(site: Site, name: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    log = site.var_dir / f"{name}.log"
    with site.running(command("worker-training"), log=log) as worker:
        yield worker, log


@pytest.fixture
def site_on_files(tmp_path: Path, tiny_base_dir: Path) -> Site:
    return prepared(tmp_path, tiny_base_dir)


@pytest.fixture
def site_on_redis(tmp_path: Path, tiny_base_dir: Path, redis_url: str) -> Site:
    return prepared(tmp_path, tiny_base_dir, REDIS_URL=redis_url)


def require_success(site: Site, *, losses: int) -> None:
    found = row(site)
    assert (found["status"], found["error"]) == ("succeeded", "")
    assert found["worker_losses"] == losses
    assert found["done"] == found["total"]
    assert (site.var_dir / "models" / "mine" / "model.safetensors").is_file()
    for table in ("classifier_modelversion", "classifier_storedfile"):
        assert count(site, table) == 1
    assert not attempts(site)


def test_a_worker_that_is_stopped_or_killed_alone_gives_its_run_back(
    site_on_files: Site,
) -> None:
    site = site_on_files
    start(site, epochs=2000)
    with working(site, "stopped") as (worker, log):
        until(lambda: checkpoint_steps(site), log)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=STOP_SECONDS) == 0
        said = log.read_text()
    stopped = row(site)
    assert (stopped["status"], stopped["attempt"], stopped["stopping"]) == ("queued", 1, 0)
    assert stopped["worker_losses"] == 0
    assert "Stopped by SIGTERM; the checkpoint of step" in stopped["log_tail"]
    assert not attempts(site)
    for alarm in ("Traceback", "ERROR"):
        assert alarm not in said
    at_stop = checkpoint_steps(site)[-1]

    beat_log = site.var_dir / "beat.log"
    with (
        site.running(command("beat"), log=beat_log),
        working(site, "killed") as (worker, log),
    ):
        # Nobody asks for it again: the run waits in the database, and that is looked through.
        until(lambda: checkpoint_steps(site)[-1] > at_stop, log, beat_log)
        worker.kill()
        worker.wait()
        # What trains hears of it, saves, and gives the run back by itself.
        until(lambda: not attempts(site), log, beat_log)
    killed = row(site)
    assert (killed["status"], killed["attempt"], killed["worker_losses"]) == ("queued", 2, 0)
    output = (site.var_dir / "runs" / "mine" / "output.log").read_text()
    assert output.count("Preparing") == 2
    assert output.count("Stopped by SIGTERM") == 2


def test_a_worker_that_is_killed_with_all_its_processes_is_found_out_by_its_lease(
    site_on_redis: Site,
) -> None:
    site = site_on_redis
    beat_log = site.var_dir / "beat.log"
    with working(site, "first") as (worker, log):
        start(site, epochs=EPOCHS)
        until(lambda: checkpoint_steps(site), log)
        for pid in (worker.pid, *attempts(site)):
            os.kill(pid, signal.SIGKILL)
        worker.wait()
    assert row(site)["status"] == "running"
    killed = time.monotonic()
    with site.running(command("beat"), log=beat_log), working(site, "second") as (_, log):
        until(lambda: row(site)["attempt"] == 2, log, beat_log)
        taken_up_after = time.monotonic() - killed
        until(lambda: row(site)["status"] not in ("queued", "running"), log, beat_log)
    assert taken_up_after < 30
    require_success(site, losses=0)  # one, until there was a checkpoint beyond the last
    assert "The worker of run" in beat_log.read_text()


def test_a_run_goes_through_its_states_on_postgresql_too(
    tmp_path: Path,
    tiny_base_dir: Path,
    postgresql_url: str,
    settings: Settings,
    django_db_blocker: DjangoDbBlocker,
) -> None:
    settings.MODELS_DIR, settings.RUNS_DIR = tmp_path / "models", tmp_path / "runs"
    settings.VAR_DIR, settings.DATASETS_DIR = tmp_path, tmp_path / "datasets"
    settings.JOB_HEARTBEAT_SECONDS = 0.1
    tiny_run.write_site(tmp_path, tiny_base_dir)
    with django_db_blocker.unblock(), in_use(postgresql(postgresql_url)):
        run = services.start_run(name="mine", overrides=ON_SITE)
        assert services.cancel(run.pk)
        assert services.retry(run.pk)
        claim = TrainingRun.objects.claim_next()
        assert claim
        carry_out(claim)
        run.refresh_from_db()
        assert (run.status, run.error) == ("succeeded", "")
        assert run.metrics["test_rows"] == 20
        assert run.history[-1]["step"] == run.total == 45
        assert run.model_version is not None
        assert run.report is not None
        assert b"<html" in open_stored(run.report).read()


BROKER_AWAY = """
import time
from tests.training.on_site import ON_SITE
from training.services import start_run
started = time.monotonic()
run = start_run(overrides=ON_SITE)
print(time.monotonic() - started, run.status, run.woken_at)
"""


def test_a_run_is_accepted_at_once_while_the_broker_refuses_or_hangs(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        site = Site.prepared(tmp_path, REDIS_URL=url)
        for limit in (5.0, 8.0):  # on a busy machine; Celery itself would go on trying for ever
            said = site.manage("shell", "--no-imports", "--command", BROKER_AWAY)
            took, status, woken_at = said.split()[-3:]
            assert (status, woken_at) == ("queued", "None")
            assert float(took) < limit
            listener.listen()  # from here on it connects, and never answers
    assert count(site, "training_trainingrun") == 2


ASKED_BY = "the-request.0123"
START_BY_A_REQUEST = f"""
from reviewsite.logs import request_id
with request_id.bound("{ASKED_BY}"):
    {START.strip().replace(chr(10), chr(10) + "    ")}
"""


def test_a_process_for_one_run_takes_what_waits_and_ends(site_on_files: Site) -> None:
    """As a Job of Kubernetes: stopped, it gives the run back; the next one ends it."""
    site = site_on_files
    code = START_BY_A_REQUEST.replace("EPOCHS", str(EPOCHS))
    site.manage("shell", "--no-imports", "--command", code)
    log = site.var_dir / "next.log"
    arguments = [sys.executable, "manage.py", "run_training", "--next"]
    with site.running(arguments, log=log) as process:
        until(lambda: checkpoint_steps(site), log)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=STOP_SECONDS) == 0
    assert log.read_text().endswith("mine is queued\n")
    stopped = row(site)
    assert (stopped["status"], stopped["stopping"], stopped["worker_losses"]) == ("queued", 0, 0)
    assert not attempts(site)

    assert site.manage("run_training", "--next") == "mine is succeeded\n"
    require_success(site, losses=0)
    assert row(site)["attempt"] == 2
    assert site.manage("run_training", "--next") == "No run waits.\n"
    # What was said on the way carries the id of the request that asked for it.
    assert f"[{ASKED_BY}]" in log.read_text()
    assert f"[{ASKED_BY}]" in (site.var_dir / "runs" / "mine" / "output.log").read_text()
    assert count(site, "classifier_worker") == 0
