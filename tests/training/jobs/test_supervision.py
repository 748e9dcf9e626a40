"""The worker's side of a run: the process it starts, and what it does where that one ends badly."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from classifier.jobs import Claim, shutdown
from tests.training.jobs.runs import (
    beside,
    checkpoint_steps,
    claimed,
    models_of,
    require_success,
    row,
    start,
)
from tests.waiting import until
from training import services
from training.jobs import DATABASE_AWAY, supervision
from training.jobs.output import output_file, tail
from training.models import TrainingRun
from training.tasks import train


def pid_of(run: TrainingRun) -> int:
    """The process of the run's attempt; 0 where there is none."""
    mark = str(run.pk).encode()
    for cmdline in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if mark in cmdline.read_bytes():
                return int(cmdline.parent.name)
        except OSError:
            continue
    return 0


def test_a_run_outlives_a_killed_process_a_cancelling_and_a_retry(
    var_dir: Path, settings: Settings
) -> None:
    settings.TRAINING_CANCEL_SECONDS = 20.0
    run = start(epochs=12.0)
    seen: dict[str, Any] = {}

    def kill_then_cancel() -> None:
        until(lambda: checkpoint_steps(var_dir))
        os.kill(pid_of(run), signal.SIGKILL)
        until(lambda: row(run).attempt == 2)
        seen["losses"] = row(run).worker_losses
        seen["kept"] = checkpoint_steps(var_dir)[-1]
        until(lambda: checkpoint_steps(var_dir)[-1] > seen["kept"])
        services.cancel(run.pk)

    with beside(kill_then_cancel):
        train()
    cancelled = row(run)
    assert seen["losses"] == 1
    assert (cancelled.status, cancelled.attempt, cancelled.error) == ("cancelled", 2, "")
    assert cancelled.worker_losses == 0  # there was a checkpoint after it
    assert models_of(var_dir) == []
    saved = checkpoint_steps(var_dir)[-1]
    assert seen["kept"] < saved < cancelled.total
    assert "Training" in cancelled.log_tail

    assert services.retry(run.pk)
    train()
    ended = row(run)
    assert ended.attempt == 3
    require_success(ended, var_dir)
    assert ended.pace > 0
    assert ended.seconds_left is None
    assert output_file("mine").read_text().count("Preparing") == 3
    assert pid_of(run) == 0


# Processes that are none of ours, in place of the one that trains


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Any:
    """Sets what is started for an attempt: a line of Python."""
    settings.TRAINING_CANCEL_SECONDS = settings.TRAINING_STOP_SECONDS = 0.3

    def start_instead(code: str) -> None:
        line = [sys.executable, "-c", textwrap.dedent(code)]
        monkeypatch.setattr(supervision, "command", lambda claim: line)

    return start_instead


@pytest.fixture
def asked_to_stop() -> Iterator[threading.Event]:
    """Set, this worker has been asked to stop."""
    yield shutdown._asked
    shutdown._asked.clear()


SLEEP = "import time; time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True);"


def test_a_run_that_kills_its_process_fails_at_the_third_time(var_dir: Path, stand_in: Any) -> None:
    stand_in("import os; memory = b'1' * 200_000_000; os.kill(os.getpid(), 9)")
    run = start()
    train()
    run = row(run)
    assert (run.status, run.attempt, run.worker_losses) == ("failed", 3, 3)
    assert "lost 3 times without lasting progress" in run.error
    used = re.search(r"killed by SIGKILL having used ([\d,]+) MB", run.error)
    assert used
    assert 200 <= int(used[1].replace(",", "")) < 10_000


def test_a_process_that_fails_before_it_can_speak_is_quoted(var_dir: Path, stand_in: Any) -> None:
    stand_in("print('token hf_abcdefghijklmnopqrstuvwxyz'); raise SystemExit('no such library')")
    run = start()
    train()
    run = row(run)
    assert (run.status, run.attempt) == ("failed", 1)
    assert "ended with 1" in run.error
    assert "no such library" in run.error
    assert "hf_***" in run.error
    assert "abcdefgh" not in run.error


def test_a_process_that_could_not_reach_the_database_is_lost_and_not_failed(
    var_dir: Path, stand_in: Any
) -> None:
    stand_in(f"raise SystemExit({DATABASE_AWAY})")
    run = start()
    supervision.supervise(claimed(run))
    assert (row(run).status, row(run).worker_losses) == ("queued", 1)


def test_a_process_that_cannot_be_started_fails_the_run(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "command", lambda claim: [str(var_dir / "no-such-python")])
    run = start()
    train()
    assert row(run).status == "failed"
    assert "no-such-python" in row(run).error


def test_a_process_that_does_not_hear_is_killed_with_all_its_own(
    var_dir: Path, stand_in: Any
) -> None:
    stand_in(f"""
        {DEAF}
        import subprocess, sys
        subprocess.run([sys.executable, "-c", "{SLEEP}  # grandchild"])
    """)
    run = start()

    def cancel() -> None:
        until(lambda: "up" in tail(output_file("mine")))
        services.cancel(run.pk)

    with beside(cancel):
        train()
    assert row(run).status == "cancelled"
    assert not [
        each
        for each in Path("/proc").glob("[0-9]*/cmdline")
        if each.exists() and b"# grandchild" in _read(each)
    ]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("code", [SLEEP, DEAF + SLEEP], ids=["obeys", "must be killed"])
def test_a_worker_that_stops_gives_the_run_back_without_a_loss(
    var_dir: Path, stand_in: Any, asked_to_stop: threading.Event, code: str
) -> None:
    stand_in(code)
    first, run = start("first"), start()
    TrainingRun.objects.filter(pk=first.pk).update(queued_at="2000-01-01T00:00Z")
    stopping = []

    def stop() -> None:
        until(lambda: row(first).stage == supervision.STARTING)
        time.sleep(0.5)
        asked_to_stop.set()
        until(lambda: row(first).stopping or row(first).status == "queued")
        stopping.append(True)

    with beside(stop):
        train()
    first = row(first)
    assert stopping
    assert (first.status, first.worker_losses, first.stopping) == ("queued", 0, False)
    assert row(run).attempt == 0  # a worker that stops takes up nothing more
    claim = TrainingRun.objects.claim_next()
    assert claim
    assert claim.pk == first.pk  # it has kept its place


def test_a_process_that_takes_long_to_start_keeps_its_claim_meanwhile(
    var_dir: Path, stand_in: Any, settings: Settings
) -> None:
    settings.JOB_LEASE_SECONDS = 0.6
    stand_in("import time; time.sleep(2)")
    run = start()
    reaped: list[Any] = []

    def reap() -> None:
        until(lambda: row(run).attempt)
        for _ in range(15):
            reaped.extend(TrainingRun.objects.reap())
            time.sleep(0.1)

    claim = claimed(run)
    with beside(reap):
        supervision.supervise(claim)
    assert reaped == []
    assert "ended with 0" in row(run).error


def test_a_process_whose_run_is_anothers_is_ended_and_writes_nothing(
    var_dir: Path, stand_in: Any
) -> None:
    stand_in(SLEEP)
    run = start()
    old = claimed(run)

    def take_it_away() -> None:
        until(lambda: row(run).stage == supervision.STARTING)
        TrainingRun.objects.filter(pk=run.pk).update(lease_until="2000-01-01T00:00Z")
        # The worker's own heartbeat may renew it before it is reaped: then once more.
        while not TrainingRun.objects.reap():
            TrainingRun.objects.filter(pk=run.pk).update(lease_until="2000-01-01T00:00Z")
        taken.append(claimed(run))

    taken: list[Claim] = []
    with beside(take_it_away):
        supervision.supervise(old)
    run = row(run)
    assert (run.status, run.attempt) == ("running", 2)
    assert run.lease_owner == taken[0].owner
    assert run.worker_losses == 1


def test_a_process_does_not_outlive_the_one_that_started_it(tmp_path: Path) -> None:
    child = (
        "import os, sys, time; from training.jobs.parent import die_with; "
        "die_with(os.getppid(), grace=0.5); print(os.getpid(), flush=True); time.sleep(60)"
    )
    parent = (
        f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}], "
        "start_new_session=True).wait()"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        process.kill()
        assert process.wait() == -signal.SIGKILL
    until(lambda: not _alive(pid))


def test_a_process_that_starts_after_its_parent_has_gone_ends_at_once() -> None:
    code = "from training.jobs.parent import die_with; die_with(1, grace=1); print('went on')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert "is gone" in done.stderr
    assert done.stdout == ""


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
