"""How the weights are moved."""

from dataclasses import dataclass
from typing import Literal

from classifier.messages import message
from training.config.sections import option, require


@dataclass(frozen=True, kw_only=True)
class OptimizationConfig:
    """How the weights are moved, by training of any kind."""

    epochs: float = option("passes over the training rows", default=2.0)
    learning_rate: float = option("peak learning rate of AdamW", default=5e-4)
    batch_size: int = option("rows of one optimizer step", default=16)
    weight_decay: float = option("AdamW's weight decay", default=0.01)
    warmup_fraction: float = option("share of the steps over which the rate rises", default=0.06)
    scheduler: Literal["linear", "cosine", "constant"] = option(
        "what the learning rate does after the rise", default="linear"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = option(
        "auto takes bf16 on a GPU that has it and on a processor that is faster in it, else fp32",
        default="auto",
    )
    warmup_steps: int = option(
        "steps over which the rate rises; above 0 it takes the place of warmup_fraction", default=0
    )
    gradient_accumulation: int = option(
        "forward passes of batch_size rows that make one optimizer step", default=1
    )
    gradient_checkpointing: bool = option(
        "compute activations again instead of keeping them: less memory, a third slower",
        default=False,
    )
    device: Literal["auto", "cpu", "cuda"] = option("where to train", default="auto")
    evaluations_per_epoch: int = option(
        "validations, each with a checkpoint, in one epoch", default=1
    )
    seed: int = option("the one seed: carving, sampling, initial weights", default=0)

    def __post_init__(self) -> None:
        require(self.epochs > 0, message("epochs must be positive"), self.epochs, message("Try 2."))
        require(
            0 < self.learning_rate < 1,
            message("learning_rate must lie between 0 and 1"),
            self.learning_rate,
            message("Try 5e-4 for lora, 2e-5 for full."),
        )
        require(
            self.batch_size > 0,
            message("batch_size must be positive"),
            self.batch_size,
            message("Try 16."),
        )
        require(
            self.weight_decay >= 0,
            message("weight_decay must be 0 or more"),
            self.weight_decay,
            message("Try 0.01."),
        )
        require(
            0 <= self.warmup_fraction < 1,
            message("warmup_fraction must lie in 0..1"),
            self.warmup_fraction,
            message("Try 0.06."),
        )
        require(
            self.evaluations_per_epoch > 0,
            message("evaluations_per_epoch must be positive"),
            self.evaluations_per_epoch,
            message("Try 1."),
        )
        require(
            self.warmup_steps >= 0,
            message("warmup_steps must be 0 or more"),
            self.warmup_steps,
            message("Try 100."),
        )
        require(
            self.gradient_accumulation > 0,
            message("gradient_accumulation must be positive"),
            self.gradient_accumulation,
            message("Try 1."),
        )
        require(self.seed >= 0, message("seed must be 0 or more"), self.seed, message("Try 0."))


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(OptimizationConfig):
    """How a classifier is trained."""

    untuned_rows: int = option(
        "measure the untuned model first, on this many validation rows drawn by seed; 0 does not",
        default=0,
    )
    star_weight: float = option(
        "weight of the star head's loss beside the label's, which has 1", default=1.0
    )
    interpolate: bool = option(
        "go only as far from the weights that the run began with as the validation rows gain by: "
        "where a trained model or adapter is trained further, so that it forgets less",
        default=False,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.untuned_rows >= 0,
            message("untuned_rows must be 0 or more"),
            self.untuned_rows,
            message("Try 200."),
        )
        require(
            self.star_weight > 0,
            message("star_weight must be positive"),
            self.star_weight,
            message("Try 1."),
        )
