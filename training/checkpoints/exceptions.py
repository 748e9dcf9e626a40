"""Why a run stopped before its end, and can go on."""


class TrainingStopped(Exception):
    """The run stopped in good order: its last good checkpoint is whole, --resume goes on."""


class Interrupted(TrainingStopped):
    """It was asked to stop, and its checkpoint is of the step where it did."""


class DiskFull(TrainingStopped):
    """There is no room for a checkpoint."""
