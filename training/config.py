"""Every parameter of a fine-tuning run, validated; one object for command, run and card.

The sections are the tables of a recipe file and, field by field, the flags of
`manage.py finetune`: `learning_rate` is `--learning-rate`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import Any, Literal

from training.sections import ConfigError as ConfigError
from training.sections import Sections, option
from training.sections import require as _require

BUNDLED = "minilm"  # the base model that ships with the product
AUTO = "auto"
REVIEWED = "reviewed"  # as a data set: the predictions that were reviewed


OF_REPLAY = (
    *("text_column", "label_column", "label_names", "group_column", "group_table"),
    *("test_split", "test_fraction", "stars_column", "stars_range"),
)
"""The parameters that describe replay_dataset, where there is one, and otherwise dataset."""


def stars_range(value: str) -> tuple[float, float]:
    """Both ends of "low-high", such as "1-5" or "0-100".

    Raises:
        ConfigError: it is not of that form, or low is not below high.
    """
    low, _, high = value.partition("-")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = (0.0, 0.0)
    _require(
        ends[0] < ends[1],
        "stars_range must be auto, or two numbers with a dash between, the lower first",
        value,
        "Try 1-5.",
    )
    return ends


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which rows are trained on, chosen by and tested on."""

    dataset: str = option(
        "a name under DATASETS_DIR, a .csv, .jsonl or .parquet file, a folder of splits, a Hub id"
    )
    also_train: str = option(
        "further data sets of the same labels, with commas between, whose training rows are added",
        default="",
    )
    text_column: str = option("column with the review", default="text")
    text_pair_column: str = option(
        "column with a second text, read together with the first (a passage for a question)",
        default="",
    )
    label_column: str = option("column with the label", default="label")
    label_names: str = option(
        "names of the labels 0, 1, ..., with commas between; default: what the column says",
        default="",
    )
    group_column: str = option(
        "rows that share this value stay on one side when a split is carved (a movie, an author)",
        default="",
    )
    group_table: str = option(
        "file beside the data set that holds group_column, joined on the columns both share",
        default="",
    )
    stars_column: str = option(
        "column with the stars that people gave, used where the data have it; empty for none",
        default="stars",
    )
    stars_range: str = option(
        "scale of the stars, as 1-5 or 0-100; auto takes 1-5 or 1-10 by what is found",
        default=AUTO,
    )
    validation_fraction: float = option(
        "share of train that is carved off where there is no validation split", default=0.1
    )
    test_fraction: float = option(
        "share of a single file that is carved off as the test split", default=0.1
    )
    validation_split: str = option(
        "the data set's split that chooses the checkpoint; where there is none, or with an empty "
        "name, it is carved off train",
        default="validation",
    )
    test_split: str = option(
        "the data set's split that is touched once, at the end; else carved off train",
        default="test",
    )
    train_rows: int = option("train on this many rows, drawn by seed; 0 takes all", default=0)
    test_rows: int = option("test on this many rows, drawn by seed; 0 takes all", default=0)
    replay_dataset: str = option(
        "with dataset=reviewed: the data set whose training rows are mixed in, so that the model "
        "does not forget; columns, labels, groups and test split are then those of it",
        default="",
    )
    replay_per_verdict: float = option(
        "rows of replay_dataset, drawn by seed, for each verdict that is trained on; never more "
        "than there are",
        default=1.0,
    )

    @property
    def further(self) -> list[str]:
        """The data sets in `also_train`."""
        return [name.strip() for name in self.also_train.split(",") if name.strip()]

    def __post_init__(self) -> None:
        _require(bool(self.dataset), "dataset must name the data", self.dataset, "Give --dataset.")
        for name in ("validation_fraction", "test_fraction"):
            value = getattr(self, name)
            _require(0 < value < 0.9, f"{name} must lie between 0 and 0.9", value, "Try 0.1.")
        for name in ("train_rows", "test_rows"):
            value = getattr(self, name)
            _require(value >= 0, f"{name} must be 0 or more", value, "Try 0.")
        if self.stars_range != AUTO:
            stars_range(self.stars_range)
        _require(
            bool(self.group_column) or not self.group_table,
            "group_table needs group_column, the column to take from it",
            self.group_table,
            "Give --group-column.",
        )
        # By its last part: a run's own rows of them lie in a folder of that name.
        _require(
            not self.replay_dataset or PurePath(self.dataset).name == REVIEWED,
            f"replay_dataset is mixed with dataset={REVIEWED} alone",
            self.replay_dataset,
            f"Give --dataset {REVIEWED}, or leave it out.",
        )
        _require(
            self.replay_dataset != REVIEWED,
            "replay_dataset is another data set than the verdicts themselves",
            self.replay_dataset,
            "Give the data set that the model was first trained on.",
        )
        _require(
            not (self.replay_dataset and self.text_pair_column),
            "Verdicts are on one text each, so replay_dataset has no text_pair_column",
            self.text_pair_column,
            "Leave it out.",
        )
        _require(
            self.replay_per_verdict > 0,
            "replay_per_verdict must be positive",
            self.replay_per_verdict,
            "Try 1.",
        )


@dataclass(frozen=True, kw_only=True)
class BaseConfig:
    """Which model a run starts from, and which of its weights it trains."""

    base_model: str = option(
        "'minilm' (bundled), 'starter', a model's name or directory, or a Hub id", default="minilm"
    )
    base_revision: str = option("commit of base_model on the Hub", default="")
    method: Literal["lora", "full"] = option(
        "lora trains a small adapter, full trains every weight", default="lora"
    )
    adapter: str = option(
        "with method=lora: the run whose adapter is trained further, or 'starter' for the bundled "
        "one; default: a new one",
        default="",
    )
    lora_rank: int = option("rank of the adapter's matrices", default=32)
    lora_alpha: int = option("the adapter is scaled by lora_alpha / lora_rank", default=64)
    dropout: float = option(
        "dropout in the encoder, 0..1; above 0 halves the speed on a CPU", default=0.0
    )
    max_length: int = option("tokens of a text that training sees", default=256)

    def __post_init__(self) -> None:
        _require(
            not self.adapter or self.method == "lora",
            "An adapter is trained further with method=lora alone",
            self.method,
            "Give --method lora, or leave out --adapter.",
        )
        _require(self.lora_rank > 0, "lora_rank must be positive", self.lora_rank, "Try 32.")
        _require(self.lora_alpha > 0, "lora_alpha must be positive", self.lora_alpha, "Try 64.")
        _require(0 <= self.dropout < 1, "dropout must lie in 0..1", self.dropout, "Try 0.1.")
        _require(
            self.max_length >= 8, "max_length must be 8 tokens or more", self.max_length, "Try 256."
        )


@dataclass(frozen=True, kw_only=True)
class ModelConfig(BaseConfig):
    """Which model is fine-tuned, and what it reads of a text."""

    star_head: bool = option(
        "learn the ten ratings beside the label where the data have stars and the two sentiments",
        default=True,
    )
    pair_truncation: Literal["only_second", "longest_first"] = option(
        "of a pair that is too long, the second text is cut, or whichever is longer",
        default="only_second",
    )
    long_texts: Literal["head", "head_tail"] = option(
        "of a longer text, training sees its head, or its head and its tail", default="head_tail"
    )


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
        _require(self.epochs > 0, "epochs must be positive", self.epochs, "Try 2.")
        _require(
            0 < self.learning_rate < 1,
            "learning_rate must lie between 0 and 1",
            self.learning_rate,
            "Try 5e-4 for lora, 2e-5 for full.",
        )
        _require(self.batch_size > 0, "batch_size must be positive", self.batch_size, "Try 16.")
        _require(
            self.weight_decay >= 0, "weight_decay must be 0 or more", self.weight_decay, "Try 0.01."
        )
        _require(
            0 <= self.warmup_fraction < 1,
            "warmup_fraction must lie in 0..1",
            self.warmup_fraction,
            "Try 0.06.",
        )
        _require(
            self.evaluations_per_epoch > 0,
            "evaluations_per_epoch must be positive",
            self.evaluations_per_epoch,
            "Try 1.",
        )
        _require(
            self.warmup_steps >= 0, "warmup_steps must be 0 or more", self.warmup_steps, "Try 100."
        )
        _require(
            self.gradient_accumulation > 0,
            "gradient_accumulation must be positive",
            self.gradient_accumulation,
            "Try 1.",
        )
        _require(self.seed >= 0, "seed must be 0 or more", self.seed, "Try 0.")


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

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(
            self.untuned_rows >= 0, "untuned_rows must be 0 or more", self.untuned_rows, "Try 200."
        )
        _require(self.star_weight > 0, "star_weight must be positive", self.star_weight, "Try 1.")


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """What is added to the training rows, or weighed differently among them."""

    mixup: Literal["none", "embeddings", "hidden", "features"] = option(
        "where pairs of rows are mixed: input embeddings, after hidden layer mixup_layer, or the "
        "features that the head reads",
        default="none",
    )
    mixup_layer: int = option("with mixup=hidden: after which layer, 1 is the first", default=1)
    mixup_alpha: float = option("lam is drawn from Beta(alpha, alpha)", default=0.4)
    mixup_pairs: int = option(
        "pairs drawn once before training and added to the rows; 0 mixes every batch on the fly",
        default=0,
    )
    mixup_rows: int = option(
        "rows, drawn by seed, that the mixup_pairs are made of; 0 draws from all", default=0
    )
    balance: Literal["none", "class_weights", "oversample", "undersample"] = option(
        "what is done about classes of different size", default="none"
    )
    generate: Literal["none", "rules", "p_tuning"] = option(
        "how more rows of the smallest classes are made", default="none"
    )
    generated_rows: int = option(
        "rows to generate; 0 makes as many as bring every class to the size of the largest",
        default=0,
    )
    generator_model: str = option(
        "with generate=p_tuning: the causal language model that writes, a directory or a Hub id",
        default="",
    )
    generator_epochs: float = option(
        "with generate=p_tuning: passes of the prompt encoder over the rows", default=3.0
    )

    def __post_init__(self) -> None:
        _require(self.mixup_layer > 0, "mixup_layer must be 1 or more", self.mixup_layer, "Try 1.")
        _require(self.mixup_alpha > 0, "mixup_alpha must be positive", self.mixup_alpha, "Try 0.4.")
        for name in ("mixup_pairs", "mixup_rows", "generated_rows"):
            value = getattr(self, name)
            _require(value >= 0, f"{name} must be 0 or more", value, "Try 0.")
        _require(
            self.mixup_pairs == 0 or self.mixup != "none",
            "mixup_pairs needs mixup, the place where they are mixed",
            self.mixup,
            "Give --mixup embeddings.",
        )
        _require(
            self.mixup_rows == 0 or self.mixup_pairs > 0,
            "mixup_rows needs mixup_pairs, how many pairs to make of them",
            self.mixup_rows,
            "Give --mixup-pairs.",
        )
        _require(
            self.mixup == "none" or self.balance != "class_weights",
            "class_weights and mixup's soft targets exclude each other",
            self.mixup,
            "Give --balance oversample.",
        )
        _require(
            (self.generate == "p_tuning") == bool(self.generator_model),
            "p_tuning, and it alone, needs generator_model",
            self.generator_model,
            "Give --generator-model a directory or a Hub id.",
        )
        _require(
            self.generator_epochs > 0,
            "generator_epochs must be positive",
            self.generator_epochs,
            "Try 3.",
        )


@dataclass(frozen=True, kw_only=True)
class DistillationConfig:
    """What is learnt from rows that models have labelled (`manage.py pseudo_label`)."""

    pseudo_rows: str = option(
        "name of the pseudo-labelled rows that are added to those of the data; empty for none",
        default="",
    )
    temperature: float = option(
        "softens what teachers said of a row, and the student's output beside it", default=1.0
    )

    def __post_init__(self) -> None:
        _require(
            self.temperature > 0, "temperature must be positive", self.temperature, "Try 1 or 2."
        )


@dataclass(frozen=True, kw_only=True)
class CalibrationConfig:
    """What is fitted on the validation rows after training."""

    calibrate: bool = option(
        "fit a temperature of the probabilities, ratings and the rule of windows", default=True
    )
    rating: Literal["auto", "none"] = option(
        "auto fits ratings to the stars that people gave, where the data have them; none leaves "
        "them to the model's confidence",
        default="auto",
    )
    rating_interval: float = option(
        "share of the stars that the interval about a rating shall cover", default=0.8
    )

    def __post_init__(self) -> None:
        _require(
            0 < self.rating_interval < 1,
            "rating_interval must lie between 0 and 1",
            self.rating_interval,
            "Try 0.8.",
        )


@dataclass(frozen=True, kw_only=True)
class PublishingConfig:
    """Where the run is tracked, and where its model goes."""

    experiment: str = option("MLflow's experiment; empty tracks nothing", default="reviewsite")
    push_to_hub: str = option("repository user/name on the Hub to push the model to", default="")
    private: bool = option("whether a repository made by pushing is private", default=True)


@dataclass(frozen=True, kw_only=True)
class FinetuningConfig(Sections):
    """One fine-tuning run."""

    data: DataConfig
    model: ModelConfig
    augmentation: AugmentationConfig
    training: TrainingConfig
    distillation: DistillationConfig
    calibration: CalibrationConfig
    publishing: PublishingConfig


SECTIONS = FinetuningConfig.kinds()


def with_overrides(
    sections: Mapping[str, Mapping[str, Any]],
    overrides: Mapping[str, Any],
    *,
    kinds: Mapping[str, type] = SECTIONS,
) -> dict[str, dict[str, Any]]:
    """`sections` with each override put into the section that has a field of its name.

    Args:
        kinds: the class of each section.
    """
    merged = {name: dict(sections.get(name, {})) for name in {*kinds, *sections}}
    for key, value in overrides.items():
        section = next(
            name for name, kind in kinds.items() if key in {item.name for item in fields(kind)}
        )
        merged[section][key] = value
    return merged
