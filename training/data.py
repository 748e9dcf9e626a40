"""Labelled texts: where they are found, how they are split, how they become tokens."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from classifier.exceptions import InvalidText
from classifier.labels import ID2LABEL, canonical_labels
from classifier.texts import clean_review_text
from training.config import DataConfig

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

MAX_LABELS = 1000
UNLABELLED = "-1"
SPLITS = ("train", "validation", "test")
READERS = {
    ".csv": lambda path: pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig"),
    ".jsonl": lambda path: pd.read_json(path, lines=True, dtype=False),
    ".parquet": pd.read_parquet,
}


class DataError(ValueError):
    """The data cannot be used as they are; the message says rule, value and remedy."""


@dataclass(frozen=True)
class LabelledSplits:
    """Rows of `text` (str), `label` (int, 0..k-1) and whatever other columns the data have."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    labels: tuple[str, ...]

    def sizes(self) -> dict[str, int]:
        return {name: len(getattr(self, name)) for name in SPLITS}


def load_splits(config: DataConfig, *, datasets_dir: Path, seed: int) -> LabelledSplits:
    """The data set's three splits; those it does not have are carved off `train`.

    Which side a row falls on depends on its group or its text alone, never on the seed or on
    the order of the rows, so a text that occurs twice is on one side. A given test split is
    never touched for validation.

    Raises:
        DataError: not found, columns missing, bad rows, or a split without rows.
    """
    frames = read_dataset(config.dataset, datasets_dir=datasets_dir)
    if "train" not in frames:
        raise DataError(
            f"Training needs a train split, but {config.dataset} has {', '.join(frames)}. "
            "Name one of its files train."
        )
    labels, frames = _labelled(frames, config)
    if config.group_table:
        directory = locate(config.dataset, datasets_dir=datasets_dir)
        frames["train"] = _join_groups(frames["train"], directory, config)
    for name, fraction in (
        ("test", config.test_fraction),
        ("validation", config.validation_fraction),
    ):
        if name not in frames:
            frames["train"], frames[name] = carve(
                frames["train"], fraction, group_column=config.group_column, salt=name
            )
    if config.train_rows and config.train_rows < len(frames["train"]):
        frames["train"] = frames["train"].sample(config.train_rows, random_state=seed)
    for name in SPLITS:
        if frames[name].empty:
            raise DataError(
                f"Every split needs rows, but {name} has none of the "
                f"{sum(map(len, frames.values()))} rows. Give more rows, a {name} file, or a "
                f"larger --{name}-fraction."
            )
    if frames["train"]["label"].nunique() < 2:
        raise DataError(
            "Training needs at least two different labels, but the training rows have one. "
            "Check --label-column."
        )
    return LabelledSplits(**{name: frames[name] for name in SPLITS}, labels=labels)


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
            f"The split must be one that {config.dataset} has ({', '.join(frames)}), "
            f"but it is {split!r}. Choose with --split."
        )
    labels, frames = _labelled({split: frames[split]}, config)
    return frames[split], labels


def locate(name: str, *, datasets_dir: Path) -> Path | None:
    """The local file or folder that `name` means, or None."""
    for candidate in (Path(name), datasets_dir / name):
        if candidate.exists():
            return candidate
        for suffix in READERS:
            if (file := candidate.with_name(candidate.name + suffix)).is_file():
                return file
    return None


def read_dataset(name: str, *, datasets_dir: Path) -> dict[str, pd.DataFrame]:
    """The raw splits of a data set: a local one first, else the Hub's.

    Raises:
        DataError: neither has it, or a local file cannot be read.
    """
    path = locate(name, datasets_dir=datasets_dir)
    if path is None:
        return _from_hub(name, datasets_dir)
    if path.is_dir():
        files = {
            split: file
            for split in SPLITS
            for suffix in READERS
            if (file := path / f"{split}{suffix}").is_file()
        }
        if not files:
            raise DataError(
                f"A folder of splits holds train, validation or test as "
                f"{', '.join(READERS)}, but {path} has none of them. Rename its files."
            )
        return {split: _read(file) for split, file in files.items()}
    if path.suffix not in READERS:
        raise DataError(
            f"A data file ends in {', '.join(READERS)}, but it is {path.name}. Convert it."
        )
    return {"train": _read(path)}


def _read(file: Path) -> pd.DataFrame:
    try:
        frame = READERS[file.suffix](file)
    except (ValueError, OSError) as error:  # pandas' parser errors are ValueErrors
        raise DataError(
            f"{file.name} must be a readable {file.suffix[1:].upper()} file in UTF-8, but: "
            f"{error}. Mend or convert it."
        ) from error
    return frame.rename(columns=lambda column: str(column).strip())


def _from_hub(name: str, datasets_dir: Path) -> dict[str, pd.DataFrame]:
    import datasets
    from huggingface_hub.errors import HfHubHTTPError

    try:
        found = datasets.load_dataset(name)
    except (FileNotFoundError, ConnectionError, HfHubHTTPError, ValueError) as error:
        raise DataError(
            f"A data set is a file, a folder, a name under {datasets_dir} or a Hub id, but "
            f"{name!r} is none that can be reached ({type(error).__name__}). Check the name, "
            "or put its files there."
        ) from error
    frames = {}
    for split in found:
        frame = found[split].to_pandas()
        for column, feature in found[split].features.items():
            if isinstance(feature, datasets.ClassLabel):
                frame[column] = [feature.int2str(i) if i >= 0 else -1 for i in frame[column]]
        frames[split] = frame
    return frames


def _labelled(
    frames: dict[str, pd.DataFrame], config: DataConfig
) -> tuple[tuple[str, ...], dict[str, pd.DataFrame]]:
    """Frames with clean `text` and integer `label`, unlabelled rows (-1) left out."""
    cleaned = {}
    for split, frame in frames.items():
        columns = {config.text_column: "text", config.label_column: "label"}
        if missing := [column for column in columns if column not in frame]:
            raise DataError(
                f"{config.dataset} ({split}) must have the columns {', '.join(columns)}, but "
                f"{', '.join(missing)} is not among {', '.join(map(str, frame.columns))}. "
                "Name the right ones with --text-column and --label-column."
            )
        frame = frame.rename(columns=columns)
        names = frame["label"].map(_label_name)
        frame = frame.assign(label=names)[names != UNLABELLED]
        frame = frame.assign(text=_clean_texts(frame["text"], split))
        cleaned[split] = frame.reset_index(drop=True)
    names_found = sorted({name for frame in cleaned.values() for name in frame["label"]})
    if not names_found:
        raise DataError(
            f"Rows need labels, but {config.dataset} ({', '.join(frames)}) has none. "
            "Check --label-column."
        )
    if "" in names_found:
        raise DataError(
            f"Every row needs a label, but some in column {config.label_column} are empty. "
            "Fill them in, remove the rows, or write -1 for 'unlabelled'."
        )
    order, labels = _label_order(names_found)
    for split, frame in cleaned.items():
        cleaned[split] = frame.assign(label=frame["label"].map(order).astype("int64"))
    return labels, cleaned


def _label_name(value: Any) -> str:
    """1, 1.0 and " 1 " are all "1"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _label_order(names: list[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Ids of the label names found, and the names the model will carry."""
    if all(name.isdecimal() and int(name) < MAX_LABELS for name in names):
        count = max(2, *(int(name) + 1 for name in names))
        labels = tuple(ID2LABEL.values()) if count == 2 else tuple(map(str, range(count)))
        return {name: int(name) for name in names}, labels
    labels = canonical_labels(names)
    ordered = tuple(sorted(set(labels)))  # NEGATIVE before POSITIVE, as in ID2LABEL
    return {name: ordered.index(label) for name, label in zip(names, labels, strict=True)}, ordered


def _clean_texts(texts: "pd.Series[Any]", split: str) -> list[str]:
    cleaned = []
    for number, text in zip(texts.index + 1, texts, strict=True):
        try:
            cleaned.append(clean_review_text(text))
        except InvalidText as error:
            raise DataError(f"Row {number} of {split}: {error}") from error
    return cleaned


def _join_groups(frame: pd.DataFrame, directory: Path | None, config: DataConfig) -> pd.DataFrame:
    file = directory / config.group_table if directory else Path(config.group_table)
    if not file.is_file():
        raise DataError(
            f"group_table must be a file beside the data set, but there is no {file}. "
            "Check --group-table."
        )
    table = _read(file)
    if "split" in table:
        table = table[table["split"] == "train"].drop(columns="split")
    shared = [column for column in table if column in frame]
    joined = frame.merge(table, on=shared, how="left", validate="many_to_one")
    if config.group_column not in joined or joined[config.group_column].isna().any():
        raise DataError(
            f"Every training row needs a {config.group_column}, but {file.name} does not give "
            f"one for each (joined on {', '.join(shared)}). Check --group-column."
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
            f"group_column must be a column of the data, but {group_column!r} is not among "
            f"{', '.join(map(str, frame.columns))}. Check --group-column."
        )
    if group_column:
        keys: Iterable[str] = frame[group_column].astype(str)
    else:
        keys = (" ".join(text.casefold().split()) for text in frame["text"])
    chosen = pd.Series(
        [_hash_fraction(f"{salt}:{key}") < fraction for key in keys], index=frame.index, dtype=bool
    )
    return frame[~chosen].reset_index(drop=True), frame[chosen].reset_index(drop=True)


def _hash_fraction(key: str) -> float:
    """A number in 0..1 that depends on `key` alone."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64


def tokenize(
    frame: pd.DataFrame,
    tokenizer: "PreTrainedTokenizerBase",
    *,
    max_length: int,
    long_texts: str,
) -> "Dataset":
    """Rows of `input_ids`, `attention_mask`, `length` and `labels`.

    Args:
        frame: rows with `text` and `label`.
        max_length: tokens kept of a text, the special ones included.
        long_texts: "head" keeps the first tokens of a longer text; "head_tail" the first and
            the last half (Sun et al. 2019, arXiv:1905.05583, found it best on IMDB).
    """
    from datasets import Dataset

    def encode(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        if long_texts == "head":
            ids = tokenizer(batch["text"], truncation=True, max_length=max_length)["input_ids"]
        else:
            whole = tokenizer(batch["text"], verbose=False)["input_ids"]
            tail = max_length // 2
            ids = [
                row if len(row) <= max_length else row[: max_length - tail] + row[-tail:]
                for row in whole
            ]
        return {
            "input_ids": ids,
            "attention_mask": [[1] * len(row) for row in ids],
            "length": [len(row) for row in ids],
            "labels": batch["label"],
        }

    rows = Dataset.from_pandas(frame[["text", "label"]], preserve_index=False)
    return rows.map(encode, batched=True, remove_columns=["text", "label"], desc="Tokenizing")
