"""The texts of a pretraining run: those of every split, none of the test split's among them."""

import logging
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from classifier.exceptions import InvalidText
from classifier.texts import clean_review_text
from training.config import DataConfig
from training.data.reading import SPLITS, DataError, read_dataset
from training.data.splits import carve, draw_rows, grouped
from training.pretraining.config import TextsConfig

logger = logging.getLogger(__name__)

UNLABELLED_SPLITS = ("unsup", "unsupervised")
FILES = (*SPLITS, *UNLABELLED_SPLITS)  # what of a folder is a split, named or not
UNREADABLE, TESTED, REPEATED = "unreadable", "tested", "repeated"  # why one was left out
TEXTS = ("text", "text_pair")


@dataclass(frozen=True)
class Texts:
    """What a run trains on and is measured on; no text is in it twice."""

    train: list[str]
    held_out: list[str]
    read: dict[str, int]
    """Texts of each split, those included that were left out."""
    left_out: dict[str, int]
    """How many were UNREADABLE, TESTED (they stand in the test split too) or REPEATED."""


def load_texts(config: TextsConfig, *, datasets_dir: Path, seed: int) -> Texts:
    """The texts of the splits, less those of the test split, and the part that is held out.

    Two texts are one if they differ in case and white space alone. Of a data set without a test
    split, the rows are taken for one that finetune carves off with the same parameters.

    Raises:
        DataError: not found, columns missing, or too few texts.
    """
    named = config.split_names()
    found = read_dataset(
        config.dataset,
        datasets_dir=datasets_dir,
        splits=tuple(dict.fromkeys((*FILES, *named, config.test_split or "test"))),
    )
    if missing := [name for name in named if name not in found]:
        raise DataError(
            f"The splits must be some that {config.dataset} has ({', '.join(found)}), but "
            f"{', '.join(missing)} is not. Mend --splits."
        )
    wanted = named or tuple(name for name in found if name != config.test_split)
    frames = {
        name: _clean(found[name], name, config)
        for name in found
        if name in (*wanted, config.test_split, "train")
    }
    tested = {_key(text) for text in _texts(_test_rows(frames, config, datasets_dir))}
    kept: dict[str, str] = {}
    read, left_out = {}, dict.fromkeys((UNREADABLE, TESTED, REPEATED), 0)
    for name in wanted:
        texts = _texts(frames[name])
        read[name] = len(texts)
        for text in texts:
            key = _key(text)
            if not text:
                left_out[UNREADABLE] += 1
            elif key in tested:
                left_out[TESTED] += 1
            elif key in kept:
                left_out[REPEATED] += 1
            else:
                kept[key] = text
    logger.info("Texts: %s; left out: %s", read, left_out)
    drawn = draw_rows(pd.DataFrame({"text": list(kept.values())}), config.text_rows, seed=seed)
    train, held_out = carve(drawn, config.held_out_fraction, group_column="", salt="held-out")
    for part, frame in (("trained on", train), ("held out", held_out)):
        if frame.empty:
            raise DataError(
                f"There must be texts to be {part}, but of the {len(drawn)} there are none. Give "
                "more texts, or another --held-out-fraction."
            )
    return Texts(train["text"].tolist(), held_out["text"].tolist(), read, left_out)


def _clean(frame: pd.DataFrame, split: str, config: TextsConfig) -> pd.DataFrame:
    columns = {config.text_column: "text"}
    if config.text_pair_column:
        columns[config.text_pair_column] = "text_pair"
    if missing := [column for column in columns if column not in frame]:
        raise DataError(
            f"{config.dataset} ({split}) must have the columns {', '.join(columns)}, but "
            f"{', '.join(missing)} is not among {', '.join(map(str, frame.columns))}. "
            "Name the right ones with --text-column and --text-pair-column, or choose --splits."
        )
    frame = frame.rename(columns=columns).reset_index(drop=True)
    return frame.assign(
        **{name: [_clean_text(text) for text in frame[name]] for name in columns.values()}
    )


def _clean_text(text: object) -> str:
    """The text as all doors of the site take it, empty where they refuse it."""
    try:
        return clean_review_text(text)
    except InvalidText:
        return ""


def _test_rows(
    frames: dict[str, pd.DataFrame], config: TextsConfig, datasets_dir: Path
) -> pd.DataFrame:
    """The rows that finetune would test on."""
    if config.test_split in frames:
        return frames[config.test_split]
    if "train" not in frames:
        return pd.DataFrame({"text": []})
    carving = DataConfig(
        dataset=config.dataset,
        text_column=config.text_column,
        text_pair_column=config.text_pair_column,
        group_column=config.group_column,
        group_table=config.group_table,
    )
    train, group_column = grouped(frames["train"], carving, datasets_dir)
    return carve(train, config.test_fraction, group_column=group_column, salt="test")[1]


def _texts(frame: pd.DataFrame) -> list[str]:
    return [text for name in TEXTS if name in frame for text in frame[name]]


def _key(text: str) -> str:
    return " ".join(text.casefold().split())
