"""Checkpoints that outlive kill -9, a power cut and a full disk.

The Trainer writes a checkpoint file by file where it belongs, and get_last_checkpoint takes the
highest number unread: one kill inside a save and the run cannot go on. Here a checkpoint is
written aside, flushed to the disk, sealed with a manifest of sizes and SHA-256 sums and renamed
into its place; whoever resumes reads the manifest before trusting it.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import Trainer

    _Trainer = Trainer
else:
    _Trainer = object  # mixed into the Trainer; loading transformers here would take seconds

logger = logging.getLogger(__name__)

PREFIX = "checkpoint-"  # the Trainer's own
STAGING = ".tmp-"
MANIFEST = "manifest.json"
STATE = "trainer_state.json"
KEEP = 2  # newest checkpoints; the best one of each is kept with it
ROOM = 3  # a run holds two checkpoints while it writes a third
FILES_BESIDE_TENSORS = 2**21  # bytes: tokenizer, settings, log of the run


class TrainingStopped(Exception):
    """The run stopped in good order: its last good checkpoint is whole, --resume goes on."""


class DiskFull(TrainingStopped):
    """There is no room for a checkpoint."""


def last_good_checkpoint(directory: Path) -> Path | None:
    """The newest checkpoint under `directory` that leads to the weights of an undisturbed run.

    What a killed save left behind and checkpoints that do not verify are removed, each with a
    line in the log.

    Returns:
        None where there is no such checkpoint: the run starts from its beginning.
    """
    for leftover in sorted(directory.glob(f"{STAGING}*")):
        logger.warning("A save was interrupted: %s is incomplete and is removed.", leftover.name)
        shutil.rmtree(leftover)
    for checkpoint in reversed(numbered(directory)):
        fault = fault_of(checkpoint)
        if fault is None:
            return checkpoint
        logger.warning("%s cannot be resumed from and is removed: %s", checkpoint.name, fault)
        _remove(checkpoint)
    return None


def fault_of(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, or with the best one that its run would end with."""
    own = _own_fault(checkpoint)
    if own is not None:
        return own
    best = _best_of(checkpoint)
    if best is None or best == checkpoint:
        return None
    fault = _own_fault(best)
    return fault and f"its best so far, {best.name}, is damaged: {fault}"


def numbered(directory: Path) -> list[Path]:
    """The checkpoints under `directory`, damaged ones included, oldest first."""
    found = [path for path in directory.glob(f"{PREFIX}*") if path.name[len(PREFIX) :].isdecimal()]
    return sorted(found, key=_step)


def seal(checkpoint: Path, *, best_step: int | None, processes: int) -> None:
    """Flush every file to the disk, then write the manifest that makes the checkpoint good."""
    files = {}
    for file in sorted(path for path in checkpoint.rglob("*") if path.is_file()):
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        name = file.relative_to(checkpoint).as_posix()
        files[name] = {"bytes": file.stat().st_size, "sha256": digest}
    with (checkpoint / MANIFEST).open("w", encoding="utf-8") as manifest:
        json.dump({"best_step": best_step, "processes": processes, "files": files}, manifest)
        manifest.flush()
        os.fsync(manifest.fileno())
    _fsync_directory(checkpoint)


def rotate(directory: Path, *, keep: int = KEEP) -> None:
    """Remove all but the `keep` newest checkpoints and the best one that each of them needs."""
    kept = set(numbered(directory)[-keep:])
    kept |= {best for checkpoint in kept if (best := _best_of(checkpoint))}
    for checkpoint in numbered(directory):
        if checkpoint not in kept:
            _remove(checkpoint)


def prune(directory: Path) -> None:
    """Remove all but the last good checkpoint and its best one."""
    last = next((path for path in reversed(numbered(directory)) if not fault_of(path)), None)
    kept = {last, last and _best_of(last)}
    for checkpoint in numbered(directory):
        if checkpoint not in kept:
            _remove(checkpoint)


def checkpoint_bytes(model: Any) -> int:
    """Estimated size of one checkpoint: the weights it saves and AdamW's two moments."""
    sizes = [
        (item.numel() * item.element_size(), item.requires_grad) for item in model.parameters()
    ]
    trained = sum(size for size, is_trained in sizes if is_trained)
    saved = trained if hasattr(model, "peft_config") else sum(size for size, _ in sizes)
    return int(saved + 2 * trained + FILES_BESIDE_TENSORS)


@contextmanager
def room_required(directory: Path, needed: int) -> Iterator[None]:
    """Name a full disk as the cause of what fails within.

    Args:
        needed: bytes that are written within.

    Raises:
        DiskFull: the disk of `directory` is full.
    """
    try:
        yield
    except Exception as error:
        if full := _full_disk(error, directory):
            raise _no_room(directory, needed, full) from error
        raise


def model_bytes(model: Any) -> int:
    """Size of the weights when they are saved whole."""
    return sum(item.numel() * item.element_size() for item in model.parameters())


class StagedCheckpoints(_Trainer):
    """Mixed in before Trainer: staged checkpoints, room on the disk, a stop by SIGTERM.

    It replaces the Trainer's rotation, so `save_total_limit` is left unset.
    """

    _staging: Path | None = None
    _stop_asked = False
    _saved_step = 0

    def train(self, resume_from_checkpoint: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As Trainer.train, after a look at the disk; SIGTERM saves a checkpoint, then stops.

        Raises:
            DiskFull: there is no room for the run's checkpoints.
            TrainingStopped: SIGTERM came and a checkpoint was written, or the checkpoint is of
                a run with another number of processes.
        """
        if resume_from_checkpoint:
            self._require_same_processes(Path(resume_from_checkpoint))
        if self.args.should_save:
            Path(str(self.args.output_dir)).mkdir(parents=True, exist_ok=True)
            self._require_room()
        with self._sigterm_noted():
            return super().train(resume_from_checkpoint, *args, **kwargs)

    def _require_same_processes(self, checkpoint: Path) -> None:
        processes = _manifest(checkpoint)["processes"]
        if processes != self.args.world_size:
            raise TrainingStopped(
                f"A run goes on with the number of processes it was started with, {processes}, "
                f"but it is {self.args.world_size}. Launch it as before."
            )

    # Saving

    def _get_output_dir(self, trial: Any) -> str:
        return str(self._staging) if self._staging else super()._get_output_dir(trial)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        if self.args.should_save:
            self._require_room()
            self._make_room()
        full = self._save_unless_full(model, trial)
        if full and self.args.world_size == 1:  # others would wait at a barrier that never comes
            logger.warning("The disk is full (%s): older checkpoints are removed.", full)
            prune(Path(str(self.args.output_dir)))
            full = self._save_unless_full(model, trial)
        if full:
            raise _no_room(Path(str(self.args.output_dir)), checkpoint_bytes(self.model), full)
        self._saved_step = self.state.global_step

    def _save_unless_full(self, model: Any, trial: Any) -> str:
        """Save; what the system said if the disk is full, else nothing."""
        directory = Path(str(self.args.output_dir))
        staging = directory / f"{STAGING}{PREFIX}{self.state.global_step}"
        try:
            self._save_staged(model, trial, staging)
        except Exception as error:
            full = _full_disk(error, directory)
            shutil.rmtree(staging, ignore_errors=True)
            if not full:
                raise
            return full
        return ""

    def _save_staged(self, model: Any, trial: Any, staging: Path) -> None:
        directory = Path(str(self.args.output_dir))
        if self.args.should_save:
            shutil.rmtree(staging, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self._staging = staging
        try:
            super()._save_checkpoint(model, trial)
        finally:
            self._staging = None
        self._name_best()
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            name = f"{PREFIX}{self.state.global_step}"
            self.state.save_to_json(str(staging / name / STATE))
            seal(
                staging / name,
                best_step=self.state.best_global_step,
                processes=self.args.world_size,
            )
            if (directory / name).exists():
                _remove(directory / name)
            os.replace(staging / name, directory / name)
            _fsync_directory(directory)
            staging.rmdir()
            rotate(directory)
        self.accelerator.wait_for_everyone()

    def _name_best(self) -> None:
        """Say where the best checkpoint is, also after its directory was staged or moved."""
        if best := self.state.best_global_step:
            self.state.best_model_checkpoint = str(
                Path(str(self.args.output_dir)) / f"{PREFIX}{best}"
            )

    def _require_room(self) -> None:
        directory, needed = Path(str(self.args.output_dir)), checkpoint_bytes(self.model)
        held = sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())
        if _free(directory) + held < ROOM * needed:
            raise _no_room(directory, ROOM * needed - held, "checked before writing")

    def _make_room(self) -> None:
        directory, needed = Path(str(self.args.output_dir)), checkpoint_bytes(self.model)
        if _free(directory) < needed:
            logger.warning("The disk is nearly full: older checkpoints are removed.")
            prune(directory)
        if _free(directory) < needed:
            raise _no_room(directory, needed, "checked before writing")

    # Stopping and going on

    @contextmanager
    def _sigterm_noted(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # signals belong to the main thread
            return

        def note(number: int, frame: Any) -> None:
            self._stop_asked = True
            signal.signal(signal.SIGTERM, previous)  # a second one stops at once

        previous = signal.signal(signal.SIGTERM, note) or signal.SIG_DFL
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, previous)

    def _stop_agreed(self) -> bool:
        """Whether any process was asked to stop: all save at the same step."""
        if self.args.world_size == 1:
            return self._stop_asked
        import torch

        asked = torch.tensor(int(self._stop_asked), device=self.args.device)
        return bool(self.accelerator.reduce(asked).item())

    def _maybe_log_save_evaluate(self, *args: Any, **kwargs: Any) -> None:
        stop, step = self._stop_agreed(), self.state.global_step
        if stop and self._saved_step != step:
            self.control.should_save = True
        if self.control.should_save:
            # The loss since the last log is not part of a checkpoint, so none may be pending.
            self.control.should_log = True
        super()._maybe_log_save_evaluate(*args, **kwargs)
        if stop:
            raise TrainingStopped(
                f"Stopped by SIGTERM; the checkpoint of step {step} of {self.state.max_steps} is "
                "written."
            )

    def _init_training_state(self, *args: Any, **kwargs: Any) -> tuple[int, int]:
        epochs_and_steps: tuple[int, int] = super()._init_training_state(*args, **kwargs)
        self._name_best()
        return epochs_and_steps

    def _run_epoch(self, *args: Any, **kwargs: Any) -> None:
        # With 2.5 epochs the last checkpoint lies inside an epoch, and the Trainer would take
        # one step beyond the end before it looks at max_steps.
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return
        super()._run_epoch(*args, **kwargs)  # type: ignore[no-untyped-call]


def _own_fault(checkpoint: Path) -> str | None:
    try:
        manifest = _manifest(checkpoint)
        for name, facts in manifest["files"].items():
            with (checkpoint / name).open("rb") as file:
                if os.fstat(file.fileno()).st_size != facts["bytes"]:
                    return f"{name} does not have its {facts['bytes']:,} bytes"
                if hashlib.file_digest(file, "sha256").hexdigest() != facts["sha256"]:
                    return f"{name} does not have its SHA-256"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{MANIFEST} cannot be read: {error}"
    return None


def _manifest(checkpoint: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
    return content


def _best_of(checkpoint: Path) -> Path | None:
    """The best checkpoint when `checkpoint` was written, whether or not it still exists."""
    try:
        best = _manifest(checkpoint)["best_step"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # damaged, so nothing needs to be kept for it
    return checkpoint.with_name(f"{PREFIX}{best}") if best else None


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name[len(PREFIX) :])


def _remove(checkpoint: Path) -> None:
    """Remove so that a kill leaves it whole or out of sight, never half of it."""
    trash = checkpoint.with_name(f"{STAGING}removed-{checkpoint.name}")
    shutil.rmtree(trash, ignore_errors=True)
    os.replace(checkpoint, trash)
    shutil.rmtree(trash)


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free(directory: Path) -> int:
    return shutil.disk_usage(directory).free


def _no_room(directory: Path, needed: int, said: str) -> DiskFull:
    return DiskFull(
        f"This run needs {needed:,} free bytes under {directory}, but there are "
        f"{_free(directory):,} ({said}). Make room, then go on with --resume; the last good "
        "checkpoint is kept."
    )


def _full_disk(error: Exception, directory: Path) -> str:
    """What the system said if `error` comes of a full disk, else nothing."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    # safetensors and torch each have an error of their own, and torch's does not say why.
    return said if full or _free(directory) < FILES_BESIDE_TENSORS else ""
