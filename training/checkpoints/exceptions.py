"""Why a run stopped before its end, and can go on."""

from pathlib import Path


class TrainingStopped(Exception):
    """The run stopped in good order: its last good checkpoint is whole, --resume goes on."""


class Interrupted(TrainingStopped):
    """It was asked to stop, and its checkpoint is of the step where it did."""


class DiskFull(TrainingStopped):
    """There is no room for a checkpoint, or for the model.

    Attributes:
        directory: where.
        needed: bytes that must be free there before the run goes on.
        free: bytes that were.
        said: how the lack was found out.
    """

    def __init__(self, text: str, *, directory: Path, needed: int, free: int, said: str) -> None:
        super().__init__(text)
        self.directory = directory
        self.needed = needed
        self.free = free
        self.said = said
