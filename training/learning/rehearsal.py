"""A run in little before the run, so that one that is doomed dies soon and not at its end."""

import tempfile
from typing import TYPE_CHECKING, Any

from training.learning.distribution import process_count

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import Trainer


def rehearse(trainer: "Trainer", rows: "Dataset | None" = None, *, prefix: str) -> dict[str, float]:
    """Measure rows with the untrained model, and save it once to a place that goes away.

    Args:
        rows: those that are measured; None for all of `trainer.eval_dataset`.
        prefix: of the measures' names.

    Returns:
        As trainer.evaluate.
    """
    measured = trainer.evaluate(rows, metric_key_prefix=prefix)
    with tempfile.TemporaryDirectory() as directory:
        trainer.save_model(directory)
    if process_count() > 1:
        # accelerate takes a model that it prepared for an evaluation as prepared for training too,
        # and each process would train alone.
        model: Any = trainer.model
        model._is_accelerate_prepared = False
    return measured
