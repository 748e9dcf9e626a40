"""The processes of one run: torchrun or accelerate launch starts several, rank 0 alone writes."""

import logging
import os
import sys
from datetime import timedelta
from typing import TypeVar

from classifier.messages import message
from training.config import ConfigError

T = TypeVar("T")

# Rank 0 exports and measures alone while the others wait, which takes minutes to hours.
PATIENCE = timedelta(days=1)


def process_count() -> int:
    """How many processes work on this run.

    Raises:
        ConfigError: more were asked for than were started.
    """
    # accelerate launch --cpu leaves starting the processes to MPI; without it there is one, which
    # would train alone on a fraction of what was asked for.
    if "WORLD_SIZE" not in os.environ and "MASTER_PORT" in os.environ:
        raise ConfigError(
            message(
                "Several processes must be started by a launcher that tells them their number in "
                "WORLD_SIZE, but it is not set (accelerate launch --cpu does not). Use "
                "torchrun --nproc-per-node 2 manage.py finetune ..."
            )
        )
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this process writes, tracks and pushes: rank 0, or the only one there is."""
    return process_count() == 1 or os.environ["RANK"] == "0"


def join(*, cpu: bool) -> None:
    """Meet the other processes, over gloo where `cpu`; nothing to do where there is one."""
    if process_count() > 1:
        from accelerate import PartialState

        PartialState(cpu=cpu, timeout=PATIENCE)


def leave() -> None:
    """End a process that worked beside others, all of its work written; does nothing to one alone.

    Gloo's threads let go of tensors, for which they need the interpreter: they abort a process
    whose interpreter has ended, and block one that waits for them in a destructor.
    """
    if process_count() > 1:
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def from_main(value: T) -> T:
    """The main process's `value`, in every process; the others wait for it. After join()."""
    if process_count() == 1:
        return value
    from accelerate.utils import broadcast_object_list

    received: list[T] = broadcast_object_list([value])
    return received[0]
