"""What a pretraining run would do, without doing it: `pretrain --dry-run`."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.checkpoints import checkpoint_bytes, model_bytes
from training.pretraining.config import PretrainingConfig
from training.pretraining.run import Preparation, prepare
from training.pretraining.texts import Texts
from training.runs.timing import duration, megabytes, steps_of, time_of_batches, training_step


@dataclass(frozen=True)
class Plan:
    """A run that was prepared, timed for a few batches, and not started."""

    config: PretrainingConfig
    texts: Texts
    pieces: dict[str, int]
    tokens: int
    """Of the pieces that are trained on."""
    base: str
    new_head: bool
    device: str
    precision: str
    weights: int
    trained_weights: int
    steps: int
    measurements: int
    checkpoint_bytes: int
    model_bytes: int
    seconds: dict[str, float]
    """Estimated, of training and measuring on this machine as busy as it is now."""

    def to_text(self) -> str:
        texts = self.texts
        read = ", ".join(f"{split} {count:,}" for split, count in texts.read.items())
        left_out = ", ".join(f"{why} {count:,}" for why, count in texts.left_out.items())
        times = ", ".join(f"{name} {duration(each)}" for name, each in self.seconds.items())
        return "\n".join(
            [
                self.config.to_toml(),
                f"texts        {read}; left out: {left_out}",
                f"             to train on {len(texts.train):,}, held out {len(texts.held_out):,}",
                f"pieces       to train on {self.pieces['train']:,} ({self.tokens:,} tokens), "
                f"held out {self.pieces['held_out']:,}",
                f"model        {self.base}{', with a new head' if self.new_head else ''}: "
                f"{self.weights:,} weights, {self.trained_weights:,} of them trained, "
                f"on {self.device} in {self.precision}",
                f"steps        {self.steps:,}, with {self.measurements} measurements",
                f"disk         {megabytes(self.model_bytes)} for the model, "
                f"{megabytes(self.checkpoint_bytes)} for each of at most three checkpoints",
                f"time, about  {duration(sum(self.seconds.values()))}: {times}",
            ]
        )


def plan_run(config: PretrainingConfig, *, models_dir: Path, datasets_dir: Path) -> Plan:
    """Prepare a run in a temporary directory and time a few of its batches.

    Raises:
        as run_pretraining, for a run that could not start.
    """
    with tempfile.TemporaryDirectory() as directory:
        prepared = prepare(
            config, models_dir=models_dir, datasets_dir=datasets_dir, run_dir=Path(directory)
        )
        return _plan(prepared, config)


def _plan(prepared: Preparation, config: PretrainingConfig) -> Plan:
    trainer: Any = prepared.trainer
    model, arguments = trainer.model, trainer.args
    train, held_out = trainer.train_dataset, trainer.eval_dataset
    steps = config.training.steps or steps_of(trainer)
    measurements = -(-steps // arguments.eval_steps) + 2  # before the first step, after the last
    sizes = [(item.numel(), item.requires_grad) for item in model.parameters()]
    return Plan(
        config=config,
        texts=prepared.texts,
        pieces={"train": len(train), "held_out": len(held_out)},
        tokens=int(sum(train["length"])),
        base=prepared.base.name,
        new_head=prepared.encoder.new_head,
        device=arguments.device.type,
        precision="bf16" if arguments.bf16 else "fp16" if arguments.fp16 else "fp32",
        weights=sum(count for count, _ in sizes),
        trained_weights=sum(count for count, trained in sizes if trained),
        steps=steps,
        measurements=measurements,
        checkpoint_bytes=checkpoint_bytes(model),
        model_bytes=model_bytes(model),
        seconds=_seconds(trainer, steps=steps, measurements=measurements),
    )


def _seconds(trainer: Any, *, steps: int, measurements: int) -> dict[str, float]:
    step = time_of_batches(
        trainer.get_train_dataloader(),
        trainer.train_dataset["length"],
        trainer.args.train_batch_size,
        training_step(trainer),
    )
    held_out = trainer.eval_dataset
    size = min(trainer.args.eval_batch_size, len(held_out))
    reading = time_of_batches(
        trainer.get_eval_dataloader(),
        held_out["length"],
        size,
        lambda batch: trainer.prediction_step(trainer.model, batch, prediction_loss_only=False),
    )
    return {
        "training": step * trainer.args.gradient_accumulation_steps * steps,
        "measuring": reading / size * len(held_out) * measurements,
    }
