"""The directory of a run's checkpoints: which are there, which is good, which are removed."""

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from training.checkpoints.manifest import UNREADABLE, flush_directory, own_fault, read_manifest

logger = logging.getLogger(__name__)

PREFIX = "checkpoint-"  # the Trainer's own
STAGING = ".tmp-"
KEEP = 2  # newest checkpoints; the best one of each is kept with it


def numbered(directory: Path) -> list[Path]:
    """The checkpoints under `directory`, damaged ones included, oldest first."""
    found = [path for path in directory.glob(f"{PREFIX}*") if path.name[len(PREFIX) :].isdecimal()]
    return sorted(found, key=lambda path: int(path.name[len(PREFIX) :]))


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
    own = own_fault(checkpoint)
    if own is not None:
        return own
    best = _best_of(checkpoint)
    if best is None or best == checkpoint:
        return None
    fault = own_fault(best)
    return fault and f"its best so far, {best.name}, is damaged: {fault}"


def put_in_place(sealed: Path, directory: Path) -> None:
    """Move a sealed checkpoint into `directory`, over one of the same step."""
    place = directory / sealed.name
    if place.exists():
        _remove(place)
    os.replace(sealed, place)
    flush_directory(directory)


def rotate(directory: Path, *, keep: int = KEEP) -> None:
    """Remove all but the `keep` newest checkpoints and the best one that each of them needs."""
    _remove_all_but(numbered(directory)[-keep:], directory)


def prune(directory: Path) -> None:
    """Remove all but the last good checkpoint and its best one."""
    last = next((path for path in reversed(numbered(directory)) if not fault_of(path)), None)
    _remove_all_but([last] if last else [], directory)


def _remove_all_but(kept: Iterable[Path], directory: Path) -> None:
    """Remove the checkpoints that are neither in `kept` nor the best one of any in it."""
    needed = {path for checkpoint in kept for path in (checkpoint, _best_of(checkpoint))}
    for checkpoint in numbered(directory):
        if checkpoint not in needed:
            _remove(checkpoint)


def _best_of(checkpoint: Path) -> Path | None:
    """The best checkpoint when `checkpoint` was written, whether or not it still exists."""
    try:
        best = read_manifest(checkpoint)["best_step"]
    except UNREADABLE:
        return None  # damaged, so nothing needs to be kept for it
    return checkpoint.with_name(f"{PREFIX}{best}") if best else None


def _remove(checkpoint: Path) -> None:
    """Remove so that a kill leaves it whole or out of sight, never half of it."""
    trash = checkpoint.with_name(f"{STAGING}removed-{checkpoint.name}")
    shutil.rmtree(trash, ignore_errors=True)
    os.replace(checkpoint, trash)
    shutil.rmtree(trash)
