"""The mixin for the Trainer: checkpoints that are staged, and a run that can be stopped."""

import logging
import math
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.messages import message
from training.checkpoints.directory import PREFIX, STAGING, prune, put_in_place, rotate
from training.checkpoints.exceptions import Interrupted, TrainingStopped
from training.checkpoints.manifest import read_manifest, seal
from training.checkpoints.room import checkpoint_bytes, free_bytes, full_disk, no_room

if TYPE_CHECKING:
    from transformers import Trainer

    _Trainer = Trainer
else:
    _Trainer = object  # mixed into the Trainer; loading transformers here would take seconds

logger = logging.getLogger(__name__)

STATE = "trainer_state.json"
# Whoever stops a whole group of processes reaches this one, and the one that leads it, too, which
# passes it on: what comes within so many seconds of the first is the same stop.
ONE_STOP = 3.0
ROOM = 3  # a run holds two checkpoints while it writes a third


class StagedCheckpoints(_Trainer):
    """Mixed in before Trainer: staged checkpoints, room on the disk, a stop by SIGTERM.

    It replaces the Trainer's rotation, so `save_total_limit` is left unset.
    """

    _staging: Path | None = None
    _stop_asked = ""  # by what
    _saved_step = 0

    def train(self, resume_from_checkpoint: Any = None, *args: Any, **kwargs: Any) -> Any:
        """As Trainer.train, after a look at the disk; SIGTERM saves a checkpoint, then stops.

        Raises:
            DiskFull: there is no room for the run's checkpoints.
            Interrupted: SIGTERM came, or ask_to_stop, and a checkpoint was written.
            TrainingStopped: the checkpoint is of a run with another number of processes.
        """
        if resume_from_checkpoint:
            self._require_same_processes(Path(resume_from_checkpoint))
        if self.args.should_save:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._require_room()
        with self._sigterm_noted():
            return super().train(resume_from_checkpoint, *args, **kwargs)

    def ask_to_stop(self, by: str) -> None:
        """Save a checkpoint at the end of this step, then raise Interrupted.

        Args:
            by: what the error says that the run was stopped by.
        """
        self._stop_asked = by

    @property
    def _directory(self) -> Path:
        return Path(str(self.args.output_dir))

    def _require_same_processes(self, checkpoint: Path) -> None:
        processes = read_manifest(checkpoint)["processes"]
        if processes != self.args.world_size:
            raise TrainingStopped(
                message(
                    "A run goes on with the number of processes it was started with, "
                    "{processes}, but it is {world_size}. Launch it as before.",
                    processes=processes,
                    world_size=self.args.world_size,
                )
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
            prune(self._directory)
            full = self._save_unless_full(model, trial)
        if full:
            raise no_room(self._directory, self._room_to_go_on(), full)
        self._saved_step = self.state.global_step

    def _save_unless_full(self, model: Any, trial: Any) -> str:
        """Save; what the system said if the disk is full, else nothing."""
        staging = self._directory / f"{STAGING}{PREFIX}{self.state.global_step}"
        try:
            self._save_staged(model, trial, staging)
        except Exception as error:
            full = full_disk(error, self._directory)
            shutil.rmtree(staging, ignore_errors=True)
            if not full:
                raise
            return full
        return ""

    def _save_staged(self, model: Any, trial: Any, staging: Path) -> None:
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
            staged = staging / f"{PREFIX}{self.state.global_step}"
            self.state.save_to_json(str(staged / STATE))
            seal(staged, best_step=self.state.best_global_step, processes=self.args.world_size)
            put_in_place(staged, self._directory)
            staging.rmdir()
            rotate(self._directory)
        self.accelerator.wait_for_everyone()

    def _name_best(self) -> None:
        """Say where the best checkpoint is, also after its directory was staged or moved."""
        if best := self.state.best_global_step:
            self.state.best_model_checkpoint = str(self._directory / f"{PREFIX}{best}")

    def _require_room(self) -> None:
        directory, needed = self._directory, checkpoint_bytes(self.model)
        if free_bytes(directory) + self._held() < ROOM * needed:
            raise no_room(directory, self._room_to_go_on(), "checked before writing")

    def _make_room(self) -> None:
        directory, needed = self._directory, checkpoint_bytes(self.model)
        if free_bytes(directory) < needed:
            logger.warning("The disk is nearly full: older checkpoints are removed.")
            prune(directory)
        if free_bytes(directory) < needed:
            raise no_room(directory, self._room_to_go_on(), "checked before writing")

    def _held(self) -> int:
        """Bytes of the checkpoints that there are."""
        files = (file for file in self._directory.rglob("*") if file.is_file())
        return sum(file.stat().st_size for file in files)

    def _room_to_go_on(self) -> int:
        """Bytes to be free, with which neither a fresh start nor the next save stops again."""
        needed = checkpoint_bytes(self.model)
        return max(needed, ROOM * needed - self._held())

    # Stopping and going on

    @contextmanager
    def _sigterm_noted(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # signals belong to the main thread
            return

        noted_at = math.inf

        def note(number: int, frame: Any) -> None:
            nonlocal noted_at
            if time.monotonic() - noted_at > ONE_STOP:  # a second one stops at once
                signal.signal(signal.SIGTERM, previous)
                signal.raise_signal(signal.SIGTERM)
            noted_at = min(noted_at, time.monotonic())
            self.ask_to_stop("SIGTERM")

        previous = signal.signal(signal.SIGTERM, note) or signal.SIG_DFL
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, previous)

    def _stop_agreed(self) -> bool:
        """Whether any process was asked to stop: all save at the same step."""
        if self.args.world_size == 1:
            return bool(self._stop_asked)
        import torch

        asked = torch.tensor(int(bool(self._stop_asked)), device=self.args.device)
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
            raise Interrupted(
                f"Stopped by {self._stop_asked or 'SIGTERM'}; the checkpoint of step {step} of "
                f"{self.state.max_steps} is written."
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
