"""Checkpoints that outlive kill -9, a power cut and a full disk.

The Trainer writes a checkpoint file by file where it belongs, and get_last_checkpoint takes the
highest number unread: one kill inside a save and the run cannot go on. Here a checkpoint is
written aside, flushed to the disk, sealed with a manifest of sizes and SHA-256 sums and renamed
into its place; whoever resumes reads the manifest before trusting it.
"""

from training.checkpoints.directory import (
    STAGING,
    fault_of,
    last_good_checkpoint,
    numbered,
    prune,
    rotate,
)
from training.checkpoints.exceptions import DiskFull, Interrupted, TrainingStopped
from training.checkpoints.manifest import MANIFEST, seal
from training.checkpoints.room import checkpoint_bytes, model_bytes, room_required
from training.checkpoints.staging import StagedCheckpoints

__all__ = [
    "MANIFEST",
    "STAGING",
    "DiskFull",
    "Interrupted",
    "StagedCheckpoints",
    "TrainingStopped",
    "checkpoint_bytes",
    "fault_of",
    "last_good_checkpoint",
    "model_bytes",
    "numbered",
    "prune",
    "room_required",
    "rotate",
    "seal",
]
