"""Which rows a run learns from."""

from dataclasses import dataclass
from pathlib import PurePath

from classifier.messages import message
from training.config.sections import option, require

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
    require(
        ends[0] < ends[1],
        message("stars_range must be auto, or two numbers with a dash between, the lower first"),
        value,
        message("Try 1-5."),
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
        require(
            bool(self.dataset),
            message("dataset must name the data"),
            self.dataset,
            message("Give --dataset."),
        )
        for name in ("validation_fraction", "test_fraction"):
            value = getattr(self, name)
            require(
                0 < value < 0.9,
                message("{name} must lie between 0 and 0.9", name=name),
                value,
                message("Try 0.1."),
            )
        for name in ("train_rows", "test_rows"):
            value = getattr(self, name)
            require(
                value >= 0, message("{name} must be 0 or more", name=name), value, message("Try 0.")
            )
        if self.stars_range != AUTO:
            stars_range(self.stars_range)
        require(
            bool(self.group_column) or not self.group_table,
            message("group_table needs group_column, the column to take from it"),
            self.group_table,
            message("Give --group-column."),
        )
        # By its last part: a run's own rows of them lie in a folder of that name.
        require(
            not self.replay_dataset or PurePath(self.dataset).name == REVIEWED,
            message("replay_dataset is mixed with dataset={reviewed} alone", reviewed=REVIEWED),
            self.replay_dataset,
            message("Give --dataset {reviewed}, or leave it out.", reviewed=REVIEWED),
        )
        require(
            self.replay_dataset != REVIEWED,
            message("replay_dataset is another data set than the verdicts themselves"),
            self.replay_dataset,
            message("Give the data set that the model was first trained on."),
        )
        require(
            not (self.replay_dataset and self.text_pair_column),
            message("Verdicts are on one text each, so replay_dataset has no text_pair_column"),
            self.text_pair_column,
            message("Leave it out."),
        )
        require(
            self.replay_per_verdict > 0,
            message("replay_per_verdict must be positive"),
            self.replay_per_verdict,
            message("Try 1."),
        )
