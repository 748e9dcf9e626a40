"""Runs that meet a full disk: paused with the reason, and queued again once there is room.

Whether there is room is looked at by the workers that train, for the disk is theirs: beat, which
wakes them, may run on another host or have no disk at all.
"""

import errno
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from classifier.jobs import Claim
from classifier.messages import message
from training.checkpoints import DiskFull
from training.checkpoints.room import FILES_BESIDE_TENSORS, free_bytes
from training.models import TrainingRun
from training.tracking.redaction import redacted

logger = logging.getLogger(__name__)


def disk_full(error: Exception) -> DiskFull | None:
    """What a run lacked that ended with `error`; None where that does not come of a full disk."""
    found = next((each for each in _causes(error) if isinstance(each, DiskFull)), None)
    return found or _out_of_space(error) or nearly_full(f"{type(error).__name__}: {error}")


def nearly_full(said: str) -> DiskFull | None:
    """As `disk_full` of a process that could not say what it met.

    Args:
        said: how it ended.
    """
    for directory in (settings.RUNS_DIR, settings.MODELS_DIR):
        if free_bytes(existing(directory)) < FILES_BESIDE_TENSORS:
            return _lack(directory, said)
    return None


def pause(claim: Claim, lack: DiskFull, **fields: Any) -> None:
    """Leave a run until there is room; a training worker finds that out by itself.

    Args:
        fields: of the run, to be written with it.
    """
    reason = message(
        "This run needs {needed:,} free bytes under {directory}, but there were {free_bytes:,} "
        "({said}). Make room there: it then goes on by itself, from its last good checkpoint.",
        needed=lack.needed,
        directory=lack.directory,
        free_bytes=lack.free,
        said=redacted(lack.said).replace("\0", ""),
    )
    claim.pause(reason, room_needed=lack.needed, room_in=str(lack.directory), **fields)
    logger.warning("Paused: %s", reason)


def resume_where_there_is_room(*, again_after: float) -> None:
    """Queue the paused runs for which this host has room by now.

    Args:
        again_after: seconds until somebody looks at the others again.
    """
    for run in TrainingRun.objects.to_look_at().only("pk", "name", "room_in", "room_needed"):
        try:
            directory = existing(Path(run.room_in or settings.RUNS_DIR))
            free = free_bytes(directory)
        except OSError as error:  # of a disk that is away: the other runs are no matter of it
            logger.warning("No look at the disk of run %s: %s", run.name, error)
            free = -1
        if free < run.room_needed:
            TrainingRun.objects.look_later(run.pk, seconds=again_after)
        elif TrainingRun.objects.resume(run.pk):
            logger.info("Run %s goes on: there is room under %s", run.name, directory)


def existing(directory: Path) -> Path:
    """The folder itself, or the next above it that is there."""
    return next(each for each in (directory, *directory.parents) if each.is_dir())


def _out_of_space(error: Exception) -> DiskFull | None:
    for each in _causes(error):
        if isinstance(each, OSError) and each.errno in (errno.ENOSPC, errno.EDQUOT):
            named = isinstance(each.filename, str) and Path(each.filename).is_absolute()
            return _lack(Path(each.filename) if named else settings.RUNS_DIR, str(each))
    return None


def _lack(directory: Path, said: str) -> DiskFull:
    directory, first = existing(directory), (said.splitlines() or [""])[0][:500]
    return DiskFull(
        first,
        directory=directory,
        needed=FILES_BESIDE_TENSORS,
        free=free_bytes(directory),
        said=first,
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
