"""Room on the disk: how much a checkpoint or a model takes, and what is said where it lacks."""

import errno
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from classifier.messages import message
from training.checkpoints.exceptions import DiskFull

FILES_BESIDE_TENSORS = 2**21  # bytes: tokenizer, settings, log of the run


def checkpoint_bytes(model: Any) -> int:
    """Estimated size of one checkpoint: the weights it saves and AdamW's two moments."""
    trained = _bytes(item for item in model.parameters() if item.requires_grad)
    saved = trained if hasattr(model, "peft_config") else model_bytes(model)
    return saved + 2 * trained + FILES_BESIDE_TENSORS


def model_bytes(model: Any) -> int:
    """Size of the weights when they are saved whole."""
    return _bytes(model.parameters())


def _bytes(parameters: Iterable[Any]) -> int:
    return sum(item.numel() * item.element_size() for item in parameters)


def free_bytes(directory: Path) -> int:
    return shutil.disk_usage(directory).free


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
        if full := full_disk(error, directory):
            raise no_room(directory, needed, full) from error
        raise


def full_disk(error: Exception, directory: Path) -> str:
    """What the system said if `error` comes of a full disk, else nothing."""
    said = str(error).splitlines()[0] if str(error) else type(error).__name__
    full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    # safetensors and torch each have an error of their own, and torch's does not say why.
    return said if full or free_bytes(directory) < FILES_BESIDE_TENSORS else ""


def no_room(directory: Path, needed: int, said: str) -> DiskFull:
    """The error to raise: the rule, the value and the remedy.

    Args:
        needed: bytes that it takes. Where as many are free and yet there was no room (a quota, or
            an estimate too low), more than are free now.
        said: how the lack was found out.
    """
    free = free_bytes(directory)
    needed = max(needed, FILES_BESIDE_TENSORS)
    if needed <= free:
        needed = free + FILES_BESIDE_TENSORS
    return DiskFull(
        message(
            "This run needs {needed:,} free bytes under {directory}, but there are "
            "{free_bytes:,} ({said}). Make room, then go on with --resume; the last good "
            "checkpoint is kept.",
            needed=needed,
            directory=directory,
            free_bytes=free,
            said=said,
        ),
        directory=directory,
        needed=needed,
        free=free,
        said=said,
    )
