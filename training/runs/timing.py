"""How long a prepared run would take, and how times and sizes are written for people."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)  # of the rows' lengths, at which a batch is timed


def steps_of(trainer: Any) -> int:
    """Steps of the optimizer in all epochs."""
    arguments = trainer.args
    rows = arguments.train_batch_size * arguments.gradient_accumulation_steps
    return int(np.ceil(-(-len(trainer.train_dataset) // rows) * arguments.num_train_epochs))


def training_step(trainer: Any) -> Callable[[Any], None]:
    """What trains on one batch: passes forward and back, and a step of the optimizer."""
    trainer.create_optimizer()
    trainer.current_gradient_accumulation_steps = 1  # as its own loop sets it

    def step(batch: Any) -> None:
        trainer.training_step(trainer.model, batch)
        trainer.optimizer.step()
        trainer.optimizer.zero_grad()

    return step


def time_of_batches(
    loader: Any, lengths: Sequence[int], size: int, work: Callable[[Any], None]
) -> float:
    """Mean seconds of a batch, timed at quantiles of the length: a batch has rows of like length.

    Args:
        loader: its data set and collate_fn make the batches.
        lengths: tokens of each row.
    """
    order = np.argsort(lengths, kind="stable")
    batches = [
        loader.collate_fn([loader.dataset[row] for row in _around(order, quantile, size)])
        for quantile in QUANTILES
    ]
    work(dict(batches[-1]))  # the first takes longer: memory, kernels
    seconds = []
    for batch in batches:
        started = time.perf_counter()
        work(dict(batch))
        seconds.append(time.perf_counter() - started)
    return float(np.mean(seconds))


def _around(order: NDArray[np.int64], quantile: float, size: int) -> list[int]:
    start = min(int(quantile * len(order)), max(0, len(order) - size))
    rows: list[int] = order[start : start + size].tolist()
    return rows


def duration(seconds: float) -> str:
    """In seconds, minutes or hours, whichever says most."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def megabytes(size: int) -> str:
    """A number of bytes in units of a million."""
    return f"{size / 1e6:,.0f} MB"
