"""Why a run stopped before its end, and can go on."""


class TrainingStopped(Exception):
    """The run stopped in good order: its last good checkpoint is whole, --resume goes on."""


class DiskFull(TrainingStopped):
    """There is no room for a checkpoint."""
