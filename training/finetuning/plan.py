"""What a run would do and how long it would take, without doing it: `finetune --dry-run`."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from training.augmentation.balance import rows_wanted
from training.checkpoints import checkpoint_bytes, model_bytes
from training.config import FinetuningConfig
from training.evaluation.evaluating import token_counts
from training.finetuning.preparation import Preparation, prepare
from training.learning.interpolation import SHARES
from training.runs.timing import duration, megabytes, steps_of, time_of_batches, training_step

SAMPLED_ROWS = 500  # test rows whose full length is counted


@dataclass(frozen=True)
class Plan:
    """A run that was prepared, timed for a few batches, and not started."""

    config: FinetuningConfig
    rows: dict[str, int]
    """Of each split, and of each kind that would be added to train."""
    train_labels: dict[str, int]
    tokens: dict[str, int]
    """Median, 95th percentile and longest of the training rows, as training sees them."""
    base: str
    device: str
    precision: str
    weights: int
    trained_weights: int
    steps: int
    validations: int
    checkpoint_bytes: int
    model_bytes: int
    seconds: dict[str, float]
    """Estimated, of each part of the run on this machine as busy as it is now."""

    def to_text(self) -> str:
        rows = ", ".join(f"{name} {count:,}" for name, count in self.rows.items() if count)
        labels = ", ".join(f"{name} {count:,}" for name, count in self.train_labels.items())
        tokens = ", ".join(f"{name} {count:,}" for name, count in self.tokens.items())
        times = ", ".join(f"{name} {duration(each)}" for name, each in self.seconds.items())
        return "\n".join(
            [
                self.config.to_toml(),
                f"rows         {rows}",
                f"labels       {labels} (training rows)",
                f"tokens       {tokens} (of a training row)",
                f"model        {self.base}: {self.weights:,} weights, {self.trained_weights:,} of "
                f"them trained, on {self.device} in {self.precision}",
                f"steps        {self.steps:,}, with {self.validations} validations",
                f"disk         {megabytes(self.model_bytes)} for the model, "
                f"{megabytes(self.checkpoint_bytes)} for each of at most three checkpoints",
                f"time, about  {duration(sum(self.seconds.values()))}: {times}",
            ]
        )


def plan_run(
    config: FinetuningConfig,
    *,
    models_dir: Path,
    runs_dir: Path,
    datasets_dir: Path,
    pseudo_dir: Path = Path(),
) -> Plan:
    """Prepare a run in a temporary directory and time a few of its batches.

    A language model is not asked to write: its rows are counted, and its time is not.

    Raises:
        as run_finetuning, for a run that could not start.
    """
    writes = config.augmentation.generate == "p_tuning"
    silent = replace(config.augmentation, generate="none", generator_model="")
    with tempfile.TemporaryDirectory() as directory:
        prepared = prepare(
            replace(config, augmentation=silent) if writes else config,
            models_dir=models_dir,
            runs_dir=runs_dir,
            datasets_dir=datasets_dir,
            pseudo_dir=pseudo_dir,
            run_dir=Path(directory),
        )
        labels = prepared.rows["label"]
        written = rows_wanted(labels.to_numpy(), config.augmentation.generated_rows)
        return _plan(prepared, config, sum(written.values()) if writes else 0)


def _added(prepared: Preparation, written: int) -> dict[str, int]:
    added = prepared.added()
    generated = len(prepared.rows) - sum(added.values()) - len(prepared.splits.train) + written
    return {"generated": generated} | {
        kind.replace("_", "-"): count for kind, count in added.items()
    }


def _plan(prepared: Preparation, config: FinetuningConfig, written: int) -> Plan:
    trainer, splits = prepared.trainer, prepared.splits
    model: Any = trainer.model
    train: Any = trainer.train_dataset
    lengths = np.asarray(train["length"])
    share = (len(train) + written) / len(train)
    steps = round(steps_of(trainer) * share)
    validations = -(-steps // round((trainer.args.eval_steps or steps) * share))
    sizes = [item.numel() for item in model.parameters()]
    trained = [item.numel() for item in model.parameters() if item.requires_grad]
    counts = prepared.rows["label"].value_counts().sort_index()
    return Plan(
        config=config,
        rows=splits.sizes() | _added(prepared, written),
        train_labels={splits.labels[label]: int(count) for label, count in counts.items()},
        tokens={
            "median": int(np.median(lengths)),
            "95 %": int(np.quantile(lengths, 0.95)),
            "longest": int(lengths.max()),
        },
        base=prepared.base.name,
        device=trainer.args.device.type,
        precision="bf16" if trainer.args.bf16 else "fp16" if trainer.args.fp16 else "fp32",
        weights=sum(sizes),
        trained_weights=sum(trained),
        steps=steps,
        validations=validations,
        checkpoint_bytes=checkpoint_bytes(model),
        model_bytes=model_bytes(model),
        seconds=_seconds(
            prepared,
            steps=steps,
            validations=validations + (len(SHARES) if config.training.interpolate else 0),
            calibrates=config.calibration.calibrate,
        ),
    )


def _seconds(
    prepared: Preparation, *, steps: int, validations: int, calibrates: bool
) -> dict[str, float]:
    trainer: Any = prepared.trainer
    validation = trainer.eval_dataset
    step = time_of_batches(
        trainer.get_train_dataloader(),
        trainer.train_dataset["length"],
        trainer.args.train_batch_size,
        training_step(trainer),
    )
    size = min(trainer.args.eval_batch_size, len(validation))
    reading = time_of_batches(
        trainer.get_eval_dataloader(),
        validation["length"],
        size,
        lambda batch: trainer.prediction_step(trainer.model, batch, prediction_loss_only=True),
    )
    a_row = reading / size
    test = prepared.splits.test
    sample = test.sample(min(SAMPLED_ROWS, len(test)), random_state=0)
    pairs = sample["text_pair"].tolist() if "text_pair" in sample else None
    # Training cuts long texts, calibration and test read them whole.
    whole = token_counts(prepared.base.source, sample["text"].tolist(), pairs)
    longer = whole.mean() / np.mean(validation["length"])
    return {
        "training": step * trainer.args.gradient_accumulation_steps * steps,
        "validation": a_row * len(validation) * (validations + 1),
        **({"calibration": a_row * len(validation) * longer} if calibrates else {}),
        "test": a_row * len(test) * longer,
    }
