"""Labelled rows: cleaned, split three ways, none of them in two splits by our doing."""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from classifier.exceptions import InvalidText
from classifier.labels import ID2LABEL, canonical_labels
from classifier.messages import message
from classifier.texts import clean_review_text
from training.config import DataConfig
from training.data.reading import SPLITS, DataError, locate, read_dataset, read_table
from training.data.stars import HIGH, LOW, NO_STARS, with_stars

logger = logging.getLogger(__name__)

MAX_LABELS = 1000
UNLABELLED = "-1"


@dataclass(frozen=True)
class LabelledSplits:
    """Rows of `text`, `label` (int, 0..k-1), for pairs `text_pair`, and what else the data have."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    labels: tuple[str, ...]

    def sizes(self) -> dict[str, int]:
        return {name: len(getattr(self, name)) for name in SPLITS}

    def shared_rows(self) -> dict[str, int]:
        """How many rows of the second split stand in the first too, by their texts."""
        keys = {name: set(row_keys(getattr(self, name))) for name in SPLITS}
        return {
            f"{first}/{second}": sum(key in keys[first] for key in row_keys(getattr(self, second)))
            for first, second in (
                ("train", "validation"),
                ("train", "test"),
                ("validation", "test"),
            )
        }


def load_splits(config: DataConfig, *, datasets_dir: Path, seed: int) -> LabelledSplits:
    """The data set's three splits; those it does not have are carved off `train`.

    Which side a row falls on depends on its group or its text alone, never on the seed or on
    the order of the rows, so a text that occurs twice is on one side. A given test split is
    never touched for validation. The rows that given splits share are reported, not removed.

    Raises:
        DataError: not found, columns missing, bad rows, or a split without rows.
    """
    found = _with_train(config, datasets_dir)
    wanted = {"train": "train", "validation": config.validation_split, "test": config.test_split}
    labels, frames = _labelled(
        {name: found[split] for name, split in wanted.items() if split in found}, config
    )
    frames["train"], group_column = grouped(frames["train"], config, datasets_dir)
    for name, fraction in (
        ("test", config.test_fraction),
        ("validation", config.validation_fraction),
    ):
        if name not in frames:
            frames["train"], frames[name] = carve(
                frames["train"], fraction, group_column=group_column, salt=name
            )
    frames["train"] = draw_rows(frames["train"], config.train_rows, seed=seed)
    frames["train"] = _with_further(frames["train"], labels, config, datasets_dir)
    frames["test"] = draw_rows(frames["test"], config.test_rows, seed=seed)
    for name in SPLITS:
        if frames[name].empty:
            raise DataError(
                message(
                    "Every split needs rows, but {name} has none of the {sum} rows. Give more "
                    "rows, a {name} file, or a larger --{name}-fraction.",
                    name=name,
                    sum=sum(map(len, frames.values())),
                )
            )
    if frames["train"]["label"].nunique() < 2:
        raise DataError(
            message(
                "Training needs at least two different labels, but the training rows have one. "
                "Check --label-column."
            )
        )
    splits = LabelledSplits(**{name: frames[name] for name in SPLITS}, labels=labels)
    for pair, count in splits.shared_rows().items():
        if count:
            logger.warning("%d rows of %s stand in %s too", count, *pair.split("/")[::-1])
    return splits


def load_split(
    config: DataConfig, split: str, *, datasets_dir: Path
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """One labelled split as it is in the data set, and the labels' names.

    Raises:
        DataError: as load_splits, or there is no such split.
    """
    frames = read_dataset(config.dataset, datasets_dir=datasets_dir)
    if split not in frames:
        raise DataError(
            message(
                "The split must be one that {dataset} has ({names}), but it is {split!r}. "
                "Choose with --split.",
                dataset=config.dataset,
                names=", ".join(frames),
                split=split,
            )
        )
    labels, frames = _labelled({split: frames[split]}, config)
    return frames[split], labels


def training_rows(
    config: DataConfig, *, datasets_dir: Path
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows that load_splits does not test on, and the labels' names.

    Of a data set without a test split, the rows that would be carved off as one are left out.
    `source_row` is the number of each row in the train split, 0 the first.

    Raises:
        DataError: as load_splits.
    """
    found = _with_train(config, datasets_dir)
    train = found["train"].assign(source_row=range(len(found["train"])))
    labels, frames = _labelled({"train": train}, config)
    rows = frames["train"]
    if config.test_split not in found:
        rows, group_column = grouped(rows, config, datasets_dir)
        rows, _ = carve(rows, config.test_fraction, group_column=group_column, salt="test")
    return rows, labels


def draw_rows(frame: pd.DataFrame, count: int, *, seed: int) -> pd.DataFrame:
    """`count` rows of `frame` in random order, all as they are where `count` is 0 or too many.

    The rows are those of datasets.Dataset.shuffle(seed=seed).select(range(count)).
    """
    if not 0 < count < len(frame):
        return frame
    order = np.random.default_rng(seed).permutation(len(frame))[:count]
    return frame.iloc[order].reset_index(drop=True)


def _with_further(
    train: pd.DataFrame, labels: tuple[str, ...], config: DataConfig, datasets_dir: Path
) -> pd.DataFrame:
    """The rows, and below them the training rows of the data sets in `also_train`."""
    for name in config.further:
        described = replace(config, dataset=name, also_train="", group_column="", group_table="")
        further, theirs = training_rows(described, datasets_dir=datasets_dir)
        if theirs != labels:
            raise DataError(
                message(
                    "Data sets that are trained on together have the same labels, but {name} has "
                    "{names} and {dataset} {names2}. Name them with --label-names, or leave it "
                    "out of --also-train.",
                    name=name,
                    names=", ".join(theirs),
                    dataset=config.dataset,
                    names2=", ".join(labels),
                )
            )
        shared = [column for column in train if column in further]
        train = pd.concat([train, further[shared]], ignore_index=True)
        for column in (LOW, HIGH):
            if column in train:
                train[column] = train[column].fillna(NO_STARS).astype("int64")
    return train


def _with_train(config: DataConfig, datasets_dir: Path) -> dict[str, pd.DataFrame]:
    found = read_dataset(config.dataset, datasets_dir=datasets_dir)
    if "train" not in found:
        raise DataError(
            message(
                "Training needs a train split, but {dataset} has {names}. Name one of its "
                "files train.",
                dataset=config.dataset,
                names=", ".join(found),
            )
        )
    return found


def grouped(
    train: pd.DataFrame, config: DataConfig, datasets_dir: Path
) -> tuple[pd.DataFrame, str]:
    """The training rows with their group, and its column's name here; "" groups by text."""
    if config.group_table:
        directory = locate(config.dataset, datasets_dir=datasets_dir)
        train = _join_groups(train, directory, config)
    return train, _columns(config).get(config.group_column, config.group_column)


def _columns(config: DataConfig) -> dict[str, str]:
    """The data's column names, and what they are called here."""
    columns = {config.text_column: "text", config.label_column: "label"}
    if config.text_pair_column:
        columns[config.text_pair_column] = "text_pair"
    return columns


def row_keys(frame: pd.DataFrame) -> Iterable[str]:
    """What makes two rows the same: their texts, but for case and white space."""
    texts = frame["text"] + "\n" + frame["text_pair"] if "text_pair" in frame else frame["text"]
    return (" ".join(text.casefold().split()) for text in texts)


def _labelled(
    frames: dict[str, pd.DataFrame], config: DataConfig
) -> tuple[tuple[str, ...], dict[str, pd.DataFrame]]:
    """Frames with clean `text` and integer `label`, unlabelled rows (-1) left out."""
    cleaned = {}
    for split, frame in frames.items():
        columns = _columns(config)
        if missing := [column for column in columns if column not in frame]:
            raise DataError(
                message(
                    "{dataset} ({split}) must have the columns {names}, but {names2} is not "
                    "among {names3}. Name the right ones with --text-column, --text-pair-column "
                    "and --label-column.",
                    dataset=config.dataset,
                    split=split,
                    names=", ".join(columns),
                    names2=", ".join(missing),
                    names3=", ".join(map(str, frame.columns)),
                )
            )
        frame = frame.rename(columns=columns)
        names = frame["label"].map(label_name)
        frame = frame.assign(label=names)[names != UNLABELLED]
        for column in columns.values():
            if column != "label":
                frame[column] = _clean_texts(frame[column], split)
        cleaned[split] = frame.reset_index(drop=True)
    names_found = sorted({name for frame in cleaned.values() for name in frame["label"]})
    if not names_found:
        raise DataError(
            message(
                "Rows need labels, but {dataset} ({names}) has none. Check --label-column.",
                dataset=config.dataset,
                names=", ".join(frames),
            )
        )
    if "" in names_found:
        raise DataError(
            message(
                "Every row needs a label, but some in column {label_column} are empty. Fill "
                "them in, remove the rows, or write -1 for 'unlabelled'.",
                label_column=config.label_column,
            )
        )
    order, labels = _label_order(names_found, config)
    for split, frame in cleaned.items():
        cleaned[split] = frame.assign(label=frame["label"].map(order).astype("int64"))
    return labels, with_stars(cleaned, config)


def label_name(value: Any) -> str:
    """1, 1.0 and " 1 " are all "1"; a missing value is ""."""
    if pd.isna(value):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _label_order(names: list[str], config: DataConfig) -> tuple[dict[str, int], tuple[str, ...]]:
    """Ids of the label names found, and the names the model will carry."""
    given = tuple(name.strip() for name in config.label_names.split(",") if name.strip())
    numbered = all(name.isdecimal() and int(name) < MAX_LABELS for name in names)
    if numbered:
        count = max(2, *(int(name) + 1 for name in names))
        labels = given or (
            tuple(ID2LABEL.values()) if count == 2 else tuple(map(str, range(count)))
        )
        order = {name: int(name) for name in names}
    else:
        canonical = canonical_labels(names)
        labels = given or tuple(sorted(set(canonical)))  # NEGATIVE before POSITIVE
        count = len(labels)
        order = {
            name: labels.index(label)
            for name, label in zip(names, canonical, strict=True)
            if label in labels
        }
    if (given and len(given) != count) or len(order) != len(names):
        raise DataError(
            message(
                "label_names must name each label of the data, but it names {names} and the "
                "data have {names2}. Mend --label-names.",
                names=", ".join(given),
                names2=", ".join(names),
            )
        )
    return order, labels


def _clean_texts(texts: "pd.Series[Any]", split: str) -> list[str]:
    cleaned = []
    for number, text in zip(texts.index + 1, texts, strict=True):
        try:
            cleaned.append(clean_review_text(text))
        except InvalidText as error:
            raise DataError(
                message("Row {number} of {split}: {error}", number=number, split=split, error=error)
            ) from error
    return cleaned


def _join_groups(frame: pd.DataFrame, directory: Path | None, config: DataConfig) -> pd.DataFrame:
    file = directory / config.group_table if directory else Path(config.group_table)
    if not file.is_file():
        raise DataError(
            message(
                "group_table must be a file beside the data set, but there is no {file}. "
                "Check --group-table.",
                file=file,
            )
        )
    table = read_table(file)
    if "split" in table:
        table = table[table["split"] == "train"].drop(columns="split")
    shared = [column for column in table if column in frame]
    joined = frame.merge(table, on=shared, how="left", validate="many_to_one")
    if config.group_column not in joined or joined[config.group_column].isna().any():
        raise DataError(
            message(
                "Every training row needs a {group_column}, but {name} does not give one for "
                "each (joined on {names}). Check --group-column.",
                group_column=config.group_column,
                name=file.name,
                names=", ".join(shared),
            )
        )
    return joined


def carve(
    frame: pd.DataFrame, fraction: float, *, group_column: str, salt: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Split `frame` in two by a hash of each row's group, or of its text.

    Args:
        frame: rows with `text`.
        fraction: share of the groups, 0..1, that goes to the second part.
        group_column: column whose equal values stay together; "" groups by text.
        salt: makes the split of one name independent of that of another.

    Raises:
        DataError: there is no such column.
    """
    if group_column and group_column not in frame:
        raise DataError(
            message(
                "group_column must be a column of the data, but {group_column!r} is not "
                "among {names}. Check --group-column.",
                group_column=group_column,
                names=", ".join(map(str, frame.columns)),
            )
        )
    if group_column:
        keys: Iterable[str] = frame[group_column].astype(str)
    else:
        keys = row_keys(frame)
    chosen = pd.Series(
        [_hash_fraction(f"{salt}:{key}") < fraction for key in keys], index=frame.index, dtype=bool
    )
    return frame[~chosen].reset_index(drop=True), frame[chosen].reset_index(drop=True)


def _hash_fraction(key: str) -> float:
    """A number in 0..1 that depends on `key` alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
