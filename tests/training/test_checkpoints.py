"""Runs that are killed, stopped, damaged or out of disk, and then go on."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.tiny_run import run, weights, write_data
from training.checkpoints import (
    MANIFEST,
    DiskFull,
    TrainingStopped,
    fault_of,
    last_good_checkpoint,
    numbered,
    prune,
    rotate,
    seal,
    staging,
)
from training.finetuning.run import FinetuningResult
from training.learning import trainer as trainer_module

STEPS = 45  # 1.5 epochs of 30 steps; checkpoints at 10, 20, 30, 40 and 45


def write_checkpoint(directory: Path, step: int, *, best: int | None = None) -> Path:
    checkpoint = directory / f"checkpoint-{step}"
    (checkpoint / "inner").mkdir(parents=True)
    (checkpoint / "model.safetensors").write_bytes(b"weights" * 100)
    (checkpoint / "inner" / "rng_state.pth").write_bytes(b"random")
    seal(checkpoint, best_step=best, processes=1)
    return checkpoint


def _truncate(checkpoint: Path) -> None:
    os.truncate(checkpoint / "model.safetensors", 350)


def _flip_a_byte(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").write_bytes(b"Weights" + b"weights" * 99)


def _lose_a_file(checkpoint: Path) -> None:
    (checkpoint / "inner" / "rng_state.pth").unlink()


def _lose_the_manifest(checkpoint: Path) -> None:
    (checkpoint / MANIFEST).unlink()


def _tear_the_manifest(checkpoint: Path) -> None:
    os.truncate(checkpoint / MANIFEST, 30)


@pytest.mark.parametrize(
    "damage", [_truncate, _flip_a_byte, _lose_a_file, _lose_the_manifest, _tear_the_manifest]
)
def test_a_damaged_checkpoint_is_removed_and_the_one_before_it_taken(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    good, damaged = write_checkpoint(tmp_path, 9), write_checkpoint(tmp_path, 10)
    damage(damaged)
    assert last_good_checkpoint(tmp_path) == good
    assert not damaged.exists()
    assert "checkpoint-10 cannot be resumed from" in caplog.text


def test_what_an_interrupted_save_left_is_removed(tmp_path: Path) -> None:
    good = write_checkpoint(tmp_path, 9)
    write_checkpoint(tmp_path / ".tmp-checkpoint-10", 10)
    assert last_good_checkpoint(tmp_path) == good
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-9"]


def test_a_checkpoint_is_no_better_than_its_best(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, 1, best=1)
    damaged = write_checkpoint(tmp_path, 2, best=2)
    write_checkpoint(tmp_path, 3, best=2)
    _truncate(damaged)
    assert last_good_checkpoint(tmp_path) == tmp_path / "checkpoint-1"


def test_without_a_good_checkpoint_there_is_none(tmp_path: Path) -> None:
    assert last_good_checkpoint(tmp_path / "nothing") is None
    _truncate(write_checkpoint(tmp_path, 1))
    assert last_good_checkpoint(tmp_path) is None


def test_rotation_keeps_the_two_newest_and_their_best(tmp_path: Path) -> None:
    for step, best in [(1, 1), (2, 1), (9, 9), (10, 1), (11, 11)]:
        write_checkpoint(tmp_path, step, best=best)
    rotate(tmp_path)
    assert [path.name for path in numbered(tmp_path)] == [
        "checkpoint-1",
        "checkpoint-10",
        "checkpoint-11",
    ]
    assert all(fault_of(path) is None for path in numbered(tmp_path))


def test_pruning_never_removes_the_last_good_one(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        write_checkpoint(tmp_path, step, best=1)
    _truncate(tmp_path / "checkpoint-3")
    prune(tmp_path)
    assert [path.name for path in numbered(tmp_path)] == ["checkpoint-1", "checkpoint-2"]


# Whole runs


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory, tiny_base_dir: Path) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), tiny_base_dir)


def checkpoints_dir(var_dir: Path) -> Path:
    return var_dir / "runs" / "mine" / "checkpoints"


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], None]) -> None:
    """Do `act` once, before optimizer step `step` of the next run."""
    from transformers import TrainerCallback

    class Act(TrainerCallback):
        done = False

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == step and not self.done:
                self.done = True
                act()

    build, callback = trainer_module.build_trainer, Act()

    def build_with_callback(*args: Any, **kwargs: Any) -> Any:
        trainer = build(*args, **kwargs)
        trainer.add_callback(callback)
        return trainer

    monkeypatch.setattr(trainer_module, "build_trainer", build_with_callback)


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture(scope="module")
def undisturbed(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuningResult:
    return run(data_dir, tmp_path_factory.mktemp("undisturbed"))


@pytest.fixture(scope="module")
def cut_off(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run left that was cut off before step 42, moved since: no path in it leads anywhere.

    Its last checkpoint is that of step 40. Tests go on with copies.
    """
    folder = tmp_path_factory.mktemp("cut-off")
    with pytest.MonkeyPatch.context() as patch:
        at_step(patch, 42, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(data_dir, folder / "before")
    return (folder / "before").rename(folder / "after")


def final_state(result: FinetuningResult) -> dict[str, Any]:
    directory = result.model_dir.parent.parent / "runs" / "mine" / "checkpoints"
    state = json.loads((numbered(directory)[-1] / "trainer_state.json").read_text())
    for logs in state["log_history"]:
        for key in [key for key in logs if key.endswith(("_runtime", "_second", "_time"))]:
            del logs[key]
    state["best_model_checkpoint"] = Path(state["best_model_checkpoint"]).name
    return dict(state)


def test_a_run_stopped_inside_an_epoch_ends_as_if_it_had_not_been(
    data_dir: Path, undisturbed: FinetuningResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(monkeypatch, 25, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(data_dir, tmp_path)
    resumed = run(data_dir, tmp_path, resume=True)
    assert weights(resumed) == weights(undisturbed)
    assert resumed.metrics == undisturbed.metrics
    assert final_state(resumed) == final_state(undisturbed)


def test_an_adapter_resumes_to_the_same_weights_too(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(data_dir, tmp_path / "whole", method="lora", lora_rank=4)
    at_step(monkeypatch, 25, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(data_dir, tmp_path, method="lora", lora_rank=4)
    resumed = run(data_dir, tmp_path, resume=True, method="lora", lora_rank=4)
    assert weights(resumed) == weights(whole)


def test_accumulated_gradients_resume_to_the_same_weights_too(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"gradient_accumulation": 4, "batch_size": 2}
    whole = run(data_dir, tmp_path / "whole", **options)
    at_step(monkeypatch, 25, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(data_dir, tmp_path, **options)
    assert weights(run(data_dir, tmp_path, resume=True, **options)) == weights(whole)


@pytest.mark.parametrize("damaged", ["newest", "all"])
def test_a_run_with_damaged_checkpoints_ends_with_the_same_weights(
    data_dir: Path, undisturbed: FinetuningResult, cut_off: Path, tmp_path: Path, damaged: str
) -> None:
    shutil.copytree(cut_off, tmp_path, dirs_exist_ok=True)
    found = numbered(checkpoints_dir(tmp_path))
    assert found[-1].name == "checkpoint-40"
    for checkpoint in found if damaged == "all" else found[-1:]:
        os.truncate(checkpoint / "optimizer.pt", 1000)
    assert weights(run(data_dir, tmp_path, resume=True)) == weights(undisturbed)


def test_a_finished_run_that_is_resumed_takes_no_further_step(
    data_dir: Path, undisturbed: FinetuningResult, tmp_path: Path
) -> None:
    shutil.copytree(undisturbed.model_dir.parents[1], tmp_path, dirs_exist_ok=True)
    again = run(data_dir, tmp_path, resume=True)
    assert weights(again) == weights(undisturbed)
    assert numbered(checkpoints_dir(tmp_path))[-1].name == f"checkpoint-{STEPS}"


def test_a_run_whose_directory_was_moved_finds_its_best_checkpoint(
    data_dir: Path, undisturbed: FinetuningResult, cut_off: Path, tmp_path: Path
) -> None:
    shutil.copytree(cut_off, tmp_path, dirs_exist_ok=True)
    assert weights(run(data_dir, tmp_path, resume=True)) == weights(undisturbed)


def test_sigterm_saves_a_checkpoint_and_then_stops(
    data_dir: Path, undisturbed: FinetuningResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(monkeypatch, 13, lambda: os.kill(os.getpid(), signal.SIGTERM))
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(TrainingStopped, match=f"SIGTERM.*step 14 of {STEPS}"):
        run(data_dir, tmp_path)
    assert signal.getsignal(signal.SIGTERM) == handler
    assert last_good_checkpoint(checkpoints_dir(tmp_path)).name == "checkpoint-14"  # type: ignore[union-attr]
    resumed = run(data_dir, tmp_path, resume=True)
    assert weights(resumed) == weights(undisturbed)
    assert resumed.metrics["train_loss"] == pytest.approx(undisturbed.metrics["train_loss"])


def sigterm_twice() -> None:
    for _ in range(2):
        os.kill(os.getpid(), signal.SIGTERM)


def test_sigterm_from_two_that_stop_the_same_group_is_one_stop(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(monkeypatch, 13, sigterm_twice)
    with pytest.raises(TrainingStopped, match=f"SIGTERM.*step 14 of {STEPS}"):
        run(data_dir, tmp_path)
    assert last_good_checkpoint(checkpoints_dir(tmp_path)).name == "checkpoint-14"  # type: ignore[union-attr]


def test_a_later_sigterm_stops_at_once(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.checkpoints.staging.ONE_STOP", 0.0)
    at_step(monkeypatch, 13, sigterm_twice)
    before = signal.signal(signal.SIGTERM, lambda number, frame: interrupt())
    try:
        with pytest.raises(KeyboardInterrupt):
            run(data_dir, tmp_path)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert last_good_checkpoint(checkpoints_dir(tmp_path)).name == "checkpoint-10"  # type: ignore[union-attr]


def test_a_run_of_two_processes_is_not_resumed_by_one(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(monkeypatch, 12, interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(data_dir, tmp_path)
    checkpoint = checkpoints_dir(tmp_path) / "checkpoint-10"
    (checkpoint / MANIFEST).unlink()
    seal(checkpoint, best_step=10, processes=2)
    with pytest.raises(TrainingStopped, match="started with, 2, but it is 1"):
        run(data_dir, tmp_path, resume=True)


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 10 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, *, leave: int) -> None:
    with (folder / "filling").open("wb") as file:
        file.write(b"x" * (shutil.disk_usage(folder).free - leave))
    assert shutil.disk_usage(folder).free <= leave + 4096


def test_a_run_without_room_for_its_checkpoints_does_not_start(
    data_dir: Path, small_disk: Path
) -> None:
    fill(small_disk, leave=4_000_000)
    with pytest.raises(
        DiskFull, match=r"needs [\d,]{7,} free bytes .* but there are 3,[\d,]+ .*--resume"
    ):
        run(data_dir, small_disk)
    assert not numbered(checkpoints_dir(small_disk))


@pytest.fixture
def no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is thought to need nothing, so that the disk fills up inside a file."""
    monkeypatch.setattr(staging, "checkpoint_bytes", lambda model: 0)


@pytest.mark.usefixtures("no_estimate")
@pytest.mark.parametrize("leave", [0, 50_000, 150_000, 250_000])
def test_a_full_disk_stops_the_run_with_its_last_good_checkpoint(
    data_dir: Path,
    undisturbed: FinetuningResult,
    tmp_path: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    leave: int,
) -> None:
    options: dict[str, Any] = {"runs_dir": small_disk}
    with monkeypatch.context() as patch:
        at_step(patch, 15, lambda: fill(small_disk, leave=leave))
        with pytest.raises(DiskFull, match="Make room"):
            run(data_dir, tmp_path, **options)
    assert last_good_checkpoint(small_disk / "mine" / "checkpoints")
    (small_disk / "filling").unlink()
    assert weights(run(data_dir, tmp_path, resume=True, **options)) == weights(undisturbed)


@pytest.mark.usefixtures("no_estimate")
def test_on_a_full_disk_older_checkpoints_make_room_for_the_new_one(
    data_dir: Path,
    undisturbed: FinetuningResult,
    tmp_path: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    at_step(monkeypatch, 25, lambda: fill(small_disk, leave=100_000))
    at_step(monkeypatch, 44, lambda: (small_disk / "filling").unlink())  # the report needs room too
    assert weights(run(data_dir, tmp_path, runs_dir=small_disk)) == weights(undisturbed)
    assert "older checkpoints are removed" in caplog.text


def test_without_room_for_the_model_the_run_says_so_and_goes_on_later(
    data_dir: Path,
    undisturbed: FinetuningResult,
    tmp_path: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options: dict[str, Any] = {"models_dir": small_disk}
    with monkeypatch.context() as patch:
        at_step(patch, 44, lambda: fill(small_disk, leave=50_000))
        with pytest.raises(DiskFull, match=r"free bytes under .*disk.*--resume"):
            run(data_dir, tmp_path, **options)
    (small_disk / "filling").unlink()
    assert weights(run(data_dir, tmp_path, resume=True, **options)) == weights(undisturbed)
