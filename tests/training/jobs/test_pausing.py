"""Runs that meet a full disk: paused with the reason, and taken up again once there is room."""

import errno
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.utils import timezone
from pytest_django import Settings

from classifier.jobs import Claim
from classifier.jobs.job import look_after
from tests.training.jobs.runs import checkpoint_steps, claimed, row, start
from tests.training.test_checkpoints import at_step, fill
from tests.training.test_checkpoints import small_disk as small_disk
from tests.waiting import until
from training import services
from training.checkpoints import DiskFull, TrainingStopped, room
from training.jobs import DATABASE_AWAY, pausing, supervision
from training.jobs.attempt import carry_out
from training.models import TrainingRun
from training.reporting.report import save_evaluation
from training.tasks import reap_training_runs, train

HALF: dict[str, Any] = {"epochs": 0.5}  # 15 steps, checkpoints at 10 and 15
GIB = 1 << 30


def lack(directory: Path, needed: int = GIB) -> DiskFull:
    return DiskFull("Full.", directory=directory, needed=needed, free=0, said="No space left")


def look(run: TrainingRun) -> TrainingRun:
    """A worker looks at the run, as it does after a while; the run after that."""
    TrainingRun.objects.filter(pk=run.pk).update(look_at=timezone.now() - timedelta(seconds=1))
    pausing.resume_where_there_is_room(again_after=15.0)
    return row(run)


def weights_of(var_dir: Path, name: str) -> bytes:
    return (var_dir / "models" / name / "model.safetensors").read_bytes()


@pytest.mark.usefixtures("no_pictures")
@pytest.mark.parametrize("moment", ["in training", "at the report"])
def test_a_run_on_a_full_disk_is_paused_and_goes_on_by_itself_to_the_same_weights(
    var_dir: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    moment: str,
) -> None:
    undisturbed = start("undisturbed", **HALF)
    carry_out(claimed(undisturbed))
    settings.RUNS_DIR = small_disk
    run = start(**HALF)

    def full(*args: Any, **kwargs: Any) -> None:
        fill(small_disk, leave=0)

    with monkeypatch.context() as patch:
        if moment == "in training":
            at_step(patch, 12, full)
        else:

            def write_on_a_full_disk(*args: Any, **kwargs: Any) -> None:
                full()
                save_evaluation(*args, **kwargs)

            patch.setattr("training.finetuning.artefact.save_evaluation", write_on_a_full_disk)
        carry_out(claimed(run))

    paused = row(run)
    assert (paused.status, paused.is_over, paused.finished_at) == ("paused", False, None)
    assert (paused.lease_until, paused.worker_losses, paused.stage) == (None, 0, "")
    assert "free bytes under" in paused.error
    assert "goes on by itself" in paused.error
    assert paused.room_needed > 0
    assert Path(paused.room_in).is_relative_to(small_disk)
    assert TrainingRun.objects.claim(run.pk) is None
    assert look(run).status == "paused"

    (small_disk / "filling").unlink()
    assert look(run).status == "queued"
    assert row(run).error == ""
    carry_out(claimed(run))
    assert (row(run).status, row(run).attempt) == ("succeeded", 2)
    assert weights_of(var_dir, "mine") == weights_of(var_dir, "undisturbed")


def test_a_worker_takes_up_what_is_paused_where_it_has_room(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[UUID] = []

    def supervised(claim: Claim) -> None:
        done.append(claim.pk)
        claim.succeed()

    monkeypatch.setattr("training.tasks.supervise", supervised)
    free = 10
    monkeypatch.setattr(pausing, "free_bytes", lambda directory: free)
    run, other = start("mine"), start("other")
    pausing.pause(claimed(run), lack(var_dir, needed=11))
    train()
    assert done == [other.pk]

    free = 11
    assert look(run).status == "queued"
    train()
    assert done == [other.pk, run.pk]


def test_workers_are_woken_to_look_once_it_is_time(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[Any] = []
    monkeypatch.setattr(train, "apply_async", lambda **options: woken.append(options))
    run = start()
    woken.clear()
    pausing.pause(claimed(run), lack(var_dir))
    reap_training_runs()
    assert woken == []

    for looks in (1, 2):
        TrainingRun.objects.filter(pk=run.pk).update(look_at=timezone.now())
        until(TrainingRun.objects.to_look_at().exists)
        reap_training_runs()
        reap_training_runs()  # that message has not been obeyed yet
        assert len(woken) == looks
    assert row(run).status == "paused"


def test_one_that_meets_the_same_again_waits_longer_each_time_until_there_is_progress(
    var_dir: Path, settings: Settings
) -> None:
    settings.REAP_SECONDS = 15.0
    waits = [look_after(pauses).total_seconds() for pauses in (1, 2, 3, 4, 30, 30_000)]
    assert waits == [15, 30, 60, 120, 3600, 3600]
    run = start()

    def pause() -> int:
        pausing.pause(claimed(run), lack(var_dir))
        paused = row(run)
        assert TrainingRun.objects.resume(run.pk)
        return paused.pauses

    assert [pause() for _ in range(3)] == [1, 2, 3]
    claim = claimed(run)
    claim.progressed()
    claim.release()
    assert pause() == 1


def test_a_person_has_a_paused_run_go_on_at_once_or_end(var_dir: Path) -> None:
    run = start()
    for act, status in ((services.retry, "queued"), (services.cancel, "cancelled")):
        pausing.pause(claimed(run), lack(var_dir))
        assert act(run.pk)
        assert (row(run).status, row(run).look_at) == (status, None)
        assert (row(run).finished_at is None) == (status == "queued")
    assert not services.cancel(run.pk)
    assert services.retry(run.pk)
    assert row(run).pauses == 0


def test_one_whose_cancelling_was_asked_for_ends(var_dir: Path) -> None:
    run = start()
    claim = claimed(run)
    services.cancel(run.pk)
    pausing.pause(claim, lack(var_dir))
    assert row(run).status == "cancelled"
    assert row(run).is_over


def test_a_folder_that_this_host_does_not_have_is_looked_for_above(var_dir: Path) -> None:
    run = start()
    pausing.pause(claimed(run), lack(var_dir / "not" / "here", needed=1))
    assert look(run).status == "queued"


def test_a_disk_that_is_away_stops_no_other_run(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away, run = start("away"), start("mine")
    for each in (away, run):
        pausing.pause(claimed(each), lack(var_dir, needed=0))

    def free_bytes(directory: Path) -> int:
        asked.append(directory)
        if len(asked) == 1:
            raise OSError(errno.ESTALE, "Stale file handle")
        return GIB

    asked: list[Path] = []
    monkeypatch.setattr(pausing, "free_bytes", free_bytes)
    TrainingRun.objects.update(look_at=timezone.now() - timedelta(seconds=1))
    pausing.resume_where_there_is_room(again_after=15.0)
    assert sorted([row(away).status, row(run).status]) == ["paused", "queued"]


# What comes of a full disk


def test_an_error_that_says_so_is_known_wherever_it_comes_from(tmp_path: Path) -> None:
    told = lack(tmp_path)
    wrapped = RuntimeError("It could not be saved.")
    wrapped.__cause__ = told
    assert pausing.disk_full(told) is told
    assert pausing.disk_full(wrapped) is told

    file = tmp_path / "gone" / "file"
    for number in (errno.ENOSPC, errno.EDQUOT):
        found = pausing.disk_full(OSError(number, "No space", str(file)))
        assert found
        assert (found.directory, found.needed) == (tmp_path, room.FILES_BESIDE_TENSORS)
        assert "No space" in found.said


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "No"), RuntimeError("CUDA"), TrainingStopped("2 processes")]
)
def test_with_room_no_other_error_is_one(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pausing, "free_bytes", lambda directory: GIB)
    assert pausing.disk_full(error) is None
    monkeypatch.setattr(pausing, "free_bytes", lambda directory: 4096)
    found = pausing.disk_full(error)
    assert found
    assert str(error) in found.said


def test_what_is_needed_is_more_than_was_free_where_that_did_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda directory: GIB)
    assert room.no_room(tmp_path, GIB + 1, "").needed == GIB + 1
    assert room.no_room(tmp_path, 10, "Quota exceeded").needed > GIB


# What the process of an attempt could not say


@pytest.mark.parametrize("code", [1, DATABASE_AWAY])
def test_a_process_that_ends_badly_on_a_full_disk_is_no_loss(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(supervision, "command", lambda claim: ["sh", "-c", f"exit {code}"])
    monkeypatch.setattr(pausing, "free_bytes", lambda directory: 4096)
    run = start()
    supervision.supervise(claimed(run))
    assert (row(run).status, row(run).worker_losses) == ("paused", 0)
    assert f"ended with {code}" in row(run).error


def test_a_process_for_which_there_is_no_room_is_started_later(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(claim: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(supervision, "command", full)
    run = start()
    supervision.supervise(claimed(run))
    assert row(run).status == "paused"
    assert "No space left on device" in row(run).error
    assert checkpoint_steps(var_dir) == []
