"""The Trainer of a pretraining run."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.checkpoints import StagedCheckpoints
from training.data.sampling import RepeatableOrder
from training.learning.trainer import training_arguments
from training.pretraining.config import PretrainingConfig
from training.pretraining.masking import RepeatableMasks
from training.pretraining.model import Encoder
from training.pretraining.objective import MaskedLanguageModeling, measures

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import Trainer


def build_trainer(
    config: PretrainingConfig,
    encoder: Encoder,
    *,
    train: "Dataset",
    held_out: "Dataset",
    run_dir: Path,
) -> "Trainer":
    """A Trainer over length-grouped batches that keeps the best checkpoint by held-out loss.

    Args:
        train: pieces of training.pretraining.pieces.
        held_out: the same, their `row` below 0.

    Raises:
        ConfigError: the device is not there, or cannot compute in the precision asked for.
    """
    from transformers import Trainer

    training = config.training
    kinds = (MaskedLanguageModeling, StagedCheckpoints, RepeatableOrder, Trainer)
    pretraining_trainer: Any = type("PretrainingTrainer", kinds, {})
    trainer: Trainer = pretraining_trainer(
        model=encoder.model,
        args=training_arguments(
            training,
            rows=len(train),
            run_dir=run_dir,
            steps=training.steps,
            remove_unused_columns=False,  # the masks are drawn by `row`
        ),
        train_dataset=train,
        eval_dataset=held_out,
        processing_class=encoder.tokenizer,
        data_collator=RepeatableMasks(encoder.tokenizer, config.masking, seed=training.seed),
        compute_metrics=measures,
    )
    trainer.model_accepts_loss_kwargs = False  # our loss is a mean over the pass
    return trainer
