"""Every parameter of a pretraining run; the sections of its recipes and the flags of pretrain."""

from dataclasses import dataclass
from typing import Literal

from training.config import REVIEWED, BaseConfig, OptimizationConfig
from training.config.sections import Sections, option, require


@dataclass(frozen=True, kw_only=True)
class TextsConfig:
    """Which texts are read."""

    dataset: str = option(
        "a name under DATASETS_DIR, a .csv, .jsonl or .parquet file, a folder of splits, a Hub id"
    )
    splits: str = option(
        "the splits to read, with commas between; default: all but the test split (of a folder "
        "train, validation, test, unsup and unsupervised)",
        default="",
    )
    text_column: str = option("column with the review", default="text")
    text_pair_column: str = option(
        "column with a second text, which is read as a text of its own", default=""
    )
    test_split: str = option(
        "the split whose texts are left out, wherever they stand; where there is none, the rows "
        "are left out that finetune would carve off train as one",
        default="test",
    )
    test_fraction: float = option("as in finetune: share of train that it carves off", default=0.1)
    group_column: str = option("as in finetune: rows that are carved off together", default="")
    group_table: str = option("as in finetune: file that holds group_column", default="")
    held_out_fraction: float = option(
        "share of the texts, chosen by their hash, that is measured on and not trained on",
        default=0.02,
    )
    text_rows: int = option("take this many texts, drawn by seed; 0 takes all", default=0)

    def __post_init__(self) -> None:
        require(bool(self.dataset), "dataset must name the data", self.dataset, "Give --dataset.")
        require(
            self.dataset != REVIEWED,
            "dataset is a file, a folder or a Hub id",
            self.dataset,
            "Write the verdicts to a file first: manage.py export_verdicts FILE.",
        )
        for name in ("test_fraction", "held_out_fraction"):
            value = getattr(self, name)
            require(0 < value < 0.9, f"{name} must lie between 0 and 0.9", value, "Try 0.1.")
        require(
            self.test_split not in self.split_names() or not self.test_split,
            "The test split is never read",
            self.splits,
            "Leave it out of --splits.",
        )
        require(
            bool(self.group_column) or not self.group_table,
            "group_table needs group_column, the column to take from it",
            self.group_table,
            "Give --group-column.",
        )
        require(self.text_rows >= 0, "text_rows must be 0 or more", self.text_rows, "Try 0.")

    def split_names(self) -> tuple[str, ...]:
        """Those that `splits` names; none where all are meant."""
        return tuple(name.strip() for name in self.splits.split(",") if name.strip())


@dataclass(frozen=True, kw_only=True)
class EncoderConfig(BaseConfig):
    """Which encoder goes on learning its language."""

    method: Literal["lora", "full"] = option(
        "full trains every weight, lora a small adapter and the head's inner layer; it is merged "
        "into the weights at the end",
        default="full",
    )
    max_length: int = option(
        "tokens of a piece; a longer text is cut into pieces of like length", default=128
    )


@dataclass(frozen=True, kw_only=True)
class MaskingConfig:
    """Which tokens are to be guessed."""

    masking: float = option("share of the tokens that is to be guessed", default=0.15)
    whole_words: bool = option(
        "mask all pieces of a word or none; every one of them then becomes the mask token, else 8 "
        "in 10 do, one becomes a random token and one stays",
        default=False,
    )

    def __post_init__(self) -> None:
        require(0 < self.masking < 1, "masking must lie in 0..1", self.masking, "Try 0.15.")


@dataclass(frozen=True, kw_only=True)
class PretrainingOptimizationConfig(OptimizationConfig):
    """How the weights are moved."""

    epochs: float = option("passes over the pieces", default=1.0)
    steps: int = option("steps of the optimizer; above 0 they take the place of epochs", default=0)
    learning_rate: float = option("peak learning rate of AdamW", default=1e-4)
    batch_size: int = option("pieces of one optimizer step", default=32)
    evaluations_per_epoch: int = option(
        "measurements on the held-out texts, each with a checkpoint, in one epoch", default=4
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.steps >= 0, "steps must be 0 or more", self.steps, "Try 0.")


@dataclass(frozen=True, kw_only=True)
class TrackingConfig:
    """Where the run is tracked."""

    experiment: str = option("MLflow's experiment; empty tracks nothing", default="reviewsite")


@dataclass(frozen=True, kw_only=True)
class PretrainingConfig(Sections):
    """One pretraining run."""

    data: TextsConfig
    model: EncoderConfig
    masking: MaskingConfig
    training: PretrainingOptimizationConfig
    tracking: TrackingConfig
