"""A data set as it is, before anything is trained on it: counts, lengths, examples, faults."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from classifier.exceptions import InvalidText
from classifier.texts import clean_review_text
from training.config import DataConfig
from training.data.reading import DataError, read_dataset
from training.data.splits import UNLABELLED, label_name, load_splits, row_keys
from training.evaluation.evaluating import excerpt
from training.reporting.plots import draw_classes, draw_lengths

SHOWN_BAD_ROWS = 5
TOKEN_LIMITS = (128, 256, 512)

CountTokens = Callable[[Sequence[str], Sequence[str] | None], NDArray[np.int64]]
"""The length in tokens of each text, or of each pair of texts."""


@dataclass(frozen=True)
class Lengths:
    """How long the texts of a split are in one unit; a pair counts as one text."""

    values: tuple[int, ...]

    def quantile(self, share: float) -> int:
        """The length that `share` of the texts, 0..1, do not exceed; 0 without texts."""
        if not self.values:
            return 0
        return int(np.quantile(self.values, share, method="inverted_cdf"))

    def share_above(self, limit: int) -> float:
        """Share of the texts, 0..1, longer than `limit`."""
        return sum(value > limit for value in self.values) / max(len(self.values), 1)


@dataclass(frozen=True)
class BadRow:
    """A row that training would refuse."""

    number: int
    """From 1, in its split."""
    message: str


@dataclass(frozen=True)
class SplitFacts:
    rows: int
    unlabelled: int
    """Rows with the label -1, or all where the split has no label column."""
    classes: dict[str, int]
    """Labelled rows by label, the commonest first."""
    lengths: dict[str, Lengths]
    """By unit: characters, words and, with a tokenizer, tokens."""
    examples: dict[str, tuple[str, ...]]
    """Excerpts of a few rows of each label, drawn by seed."""
    bad_rows: int
    first_bad_rows: tuple[BadRow, ...]
    repeated: int
    """Rows whose text stands earlier in the split too, but for case and white space."""
    contradictory: int
    """Texts that occur with two labels or more."""


@dataclass(frozen=True)
class Inspection:
    dataset: str
    columns: tuple[str, ...]
    splits: dict[str, SplitFacts]
    shared: dict[tuple[str, str], int]
    """Texts that stand in both splits, by the splits' names."""
    groups: dict[str, int]
    """With group_column: how many groups each split has; empty otherwise."""
    used: dict[str, int]
    """Rows that finetune would train on, validate on and test on; empty where it would refuse."""
    labels: tuple[str, ...]
    """What the model's labels would be; empty where finetune would refuse."""
    refusal: str
    """Why finetune would refuse the data; empty where it would not."""


def inspect_dataset(
    config: DataConfig,
    *,
    datasets_dir: Path,
    seed: int = 0,
    examples: int = 3,
    count_tokens: CountTokens | None = None,
) -> Inspection:
    """Look at every row of every split; nothing is left out, repaired or refused.

    Args:
        seed: of the examples and of the rows that finetune would draw.
        examples: shown of each label in each split.
        count_tokens: counts tokens too where it is given.

    Raises:
        DataError: the data are not found or not readable, or have no such columns.
    """
    frames = read_dataset(config.dataset, datasets_dir=datasets_dir)
    texts = [config.text_column]
    if config.text_pair_column:
        texts.append(config.text_pair_column)
    for split, frame in frames.items():
        _require_columns(config, split, frame, texts)
    if not any(config.label_column in frame for frame in frames.values()):
        _require_columns(config, *next(iter(frames.items())), [config.label_column])
    splits, keys = {}, {}
    for split, frame in frames.items():
        rows = _rows(frame, config)
        keys[split] = set(rows["key"])
        splits[split] = _split_facts(rows, seed=seed, examples=examples, count_tokens=count_tokens)
    used, labels, refusal = _as_finetune_would(config, datasets_dir, seed)
    return Inspection(
        dataset=config.dataset,
        columns=tuple(dict.fromkeys(str(name) for frame in frames.values() for name in frame)),
        splits=splits,
        shared={
            (first, second): len(keys[first] & keys[second])
            for first, second in combinations(splits, 2)
        },
        groups={
            split: int(frame[config.group_column].nunique())
            for split, frame in frames.items()
            if config.group_column in frame
        },
        used=used,
        labels=labels,
        refusal=refusal,
    )


def draw_inspection(inspection: Inspection, directory: Path) -> list[Path]:
    """Pictures of the labels and of the lengths, in tokens where they were counted."""
    directory.mkdir(parents=True, exist_ok=True)
    units = [unit for facts in inspection.splits.values() for unit in facts.lengths]
    unit = "tokens" if "tokens" in units else "words"
    lengths = {split: facts.lengths[unit].values for split, facts in inspection.splits.items()}
    pictures = [draw_lengths(lengths, directory / "lengths.png", unit=unit)]
    classes = {split: facts.classes for split, facts in inspection.splits.items() if facts.classes}
    if classes:
        pictures.insert(0, draw_classes(classes, directory / "classes.png"))
    return pictures


def _require_columns(
    config: DataConfig, split: str, frame: pd.DataFrame, columns: Sequence[str]
) -> None:
    if missing := [column for column in columns if column not in frame]:
        raise DataError(
            f"{config.dataset} ({split}) must have the columns {', '.join(columns)}, but "
            f"{', '.join(missing)} is not among {', '.join(map(str, frame.columns))}. "
            "Name the right ones with --text-column, --text-pair-column and --label-column."
        )


def _rows(frame: pd.DataFrame, config: DataConfig) -> pd.DataFrame:
    """`text`, perhaps `text_pair`, `label`, `key` and `fault` of each row, all of them strings."""
    raw = {"text": frame[config.text_column]}
    if config.text_pair_column:
        raw["text_pair"] = frame[config.text_pair_column]
    if config.label_column in frame:
        names = [name.strip() for name in config.label_names.split(",") if name.strip()]
        labels = [_label(value, names) for value in frame[config.label_column]]
    else:
        labels = [UNLABELLED] * len(frame)
    faults = [
        _fault(row, label)
        for row, label in zip(zip(*raw.values(), strict=True), labels, strict=True)
    ]
    rows = pd.DataFrame(
        {name: ["" if _is_missing(text) else str(text) for text in raw[name]] for name in raw}
    )
    return rows.assign(label=labels, fault=faults, key=list(row_keys(rows)))


def _label(value: Any, names: Sequence[str]) -> str:
    """The label as the data have it, or the name that label_names gives to its number."""
    label = label_name(value)
    return names[int(label)] if label.isdecimal() and int(label) < len(names) else label


def _is_missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value))


def _fault(texts: Sequence[Any], label: str) -> str:
    """What training would refuse the row for; empty where it is good."""
    for text in texts:
        try:
            clean_review_text(None if _is_missing(text) else text)
        except InvalidText as error:
            return str(error)
    if not label:
        return "Every row needs a label, but it is empty. Fill it in, or write -1 for 'unlabelled'."
    return ""


def _split_facts(
    rows: pd.DataFrame, *, seed: int, examples: int, count_tokens: CountTokens | None
) -> SplitFacts:
    labelled = rows[(rows["label"] != UNLABELLED) & (rows["label"] != "")]
    bad = rows.index[rows["fault"] != ""]
    by_key = labelled.groupby("key")["label"].nunique()
    return SplitFacts(
        rows=len(rows),
        unlabelled=int((rows["label"] == UNLABELLED).sum()),
        classes=dict(Counter(labelled["label"]).most_common()),
        lengths=_lengths(rows, count_tokens),
        examples=_examples(labelled, seed, examples),
        bad_rows=len(bad),
        first_bad_rows=tuple(
            BadRow(int(index) + 1, str(rows["fault"][index])) for index in bad[:SHOWN_BAD_ROWS]
        ),
        repeated=int(rows["key"].duplicated().sum()),
        contradictory=int((by_key > 1).sum()),
    )


def _lengths(rows: pd.DataFrame, count_tokens: CountTokens | None) -> dict[str, Lengths]:
    columns = [rows[name].tolist() for name in ("text", "text_pair") if name in rows]
    joined = list(zip(*columns, strict=True))
    found = {
        "characters": Lengths(tuple(sum(map(len, texts)) for texts in joined)),
        "words": Lengths(tuple(sum(len(text.split()) for text in texts) for texts in joined)),
    }
    if count_tokens is not None:
        counts = count_tokens(columns[0], columns[1] if len(columns) > 1 else None)
        found["tokens"] = Lengths(tuple(map(int, counts)))
    return found


def _examples(labelled: pd.DataFrame, seed: int, count: int) -> dict[str, tuple[str, ...]]:
    generator = np.random.default_rng(seed)
    shown = {}
    for label in sorted(labelled["label"].unique()):
        rows = labelled[labelled["label"] == label]
        drawn = rows.iloc[generator.permutation(len(rows))[:count]]
        texts = [drawn[name] for name in ("text", "text_pair") if name in drawn]
        shown[label] = tuple(
            " | ".join(excerpt(text, 160) for text in row) for row in zip(*texts, strict=True)
        )
    return shown


def _as_finetune_would(
    config: DataConfig, datasets_dir: Path, seed: int
) -> tuple[dict[str, int], tuple[str, ...], str]:
    try:
        splits = load_splits(config, datasets_dir=datasets_dir, seed=seed)
    except DataError as error:
        return {}, (), str(error)
    return splits.sizes(), splits.labels, ""


def quantile_rows(splits: Mapping[str, SplitFacts]) -> list[tuple[str, str, list[int]]]:
    """Split, unit and minimum, median, 95th percentile and maximum of the lengths."""
    return [
        (split, unit, [lengths.quantile(share) for share in (0, 0.5, 0.95, 1)])
        for split, facts in splits.items()
        for unit, lengths in facts.lengths.items()
    ]
