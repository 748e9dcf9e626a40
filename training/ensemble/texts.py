"""The texts to be labelled: of a split that no run reads, or of a file; none that is known."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from classifier.exceptions import InvalidText
from classifier.texts import clean_review_text
from training.config import DataConfig
from training.data.reading import READERS, SPLITS, DataError, locate, read_dataset, read_table
from training.data.splits import LabelledSplits, draw_rows, row_keys

TRAIN = "train"
UNREADABLE, REPEATED = "unreadable", "repeated"


@dataclass(frozen=True)
class Unlabelled:
    rows: pd.DataFrame
    """`text`, `source_row` (its number in what was read, 0 the first); each text once."""
    left_out: dict[str, int]
    """How many rows were left out by the reason: the split that a text stands in, too, or that
    it is unreadable or repeated."""


def unlabelled_texts(
    data: DataConfig,
    splits: LabelledSplits,
    *,
    datasets_dir: Path,
    split: str = "",
    file: Path | None = None,
    sample: int = 0,
    seed: int = 0,
) -> Unlabelled:
    """The texts of a split of the data set, or of a file, that nobody labelled.

    Left out are texts that stand in test or validation, case and white space aside, so that
    nothing is learnt about these rows; texts of train, whose labels are known, unless it is train
    that is labelled; repeated texts, and what is no text.

    Args:
        splits: of the data set, as load_splits gives them.
        split: its name; "train" are the training rows themselves, without those of validation.
        file: in place of a split, any table with the text column.
        sample: how many of the rows that are left are drawn by `seed`; 0 takes all.

    Raises:
        DataError: no such split or file, no text column, or no row is left.
    """
    frame = read_table(_table(file)) if file else _split(data, split, datasets_dir)
    name = file.name if file else split
    if data.text_column not in frame:
        raise DataError(
            f"Texts to label are in the column {data.text_column}, but {name} has "
            f"{', '.join(map(str, frame.columns))}. Name the right one with --text-column."
        )
    known = {
        key: which
        for which in SPLITS  # test counts before validation, validation before train
        if not (split == TRAIN and which == TRAIN)
        for key in row_keys(getattr(splits, which))
    }
    cleaned = [_cleaned(text) for text in frame[data.text_column]]
    rows = pd.DataFrame({"text": cleaned, "source_row": range(len(frame))}).dropna()
    reasons, seen = [], set()
    for key in row_keys(rows):
        reasons.append(known.get(key) or (REPEATED if key in seen else ""))
        seen.add(key)
    left_out = Counter(filter(None, reasons)) + Counter({UNREADABLE: len(frame) - len(rows)})
    rows = rows[[not reason for reason in reasons]].reset_index(drop=True)
    if rows.empty:
        said = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise DataError(
            f"Texts to label are such as have no label yet, but of the {len(frame)} rows of "
            f"{name} none is left ({said}). Give other texts."
        )
    return Unlabelled(draw_rows(rows, sample, seed=seed), dict(left_out))


def _cleaned(text: object) -> str | None:
    try:
        return clean_review_text(text)
    except InvalidText:
        return None


def _split(data: DataConfig, split: str, datasets_dir: Path) -> pd.DataFrame:
    if split in (data.test_split, data.validation_split, "test", "validation"):
        raise DataError(
            "Rows that a model is measured on are not for training, but the split is "
            f"{split!r}. Choose another with --split."
        )
    path = locate(data.dataset, datasets_dir=datasets_dir)
    if path is not None and path.is_dir():
        for suffix in READERS:
            if (file := path / f"{split}{suffix}").is_file():
                return read_table(file)
        found = sorted({one.stem for one in path.iterdir() if one.suffix in READERS})
    else:
        frames = read_dataset(data.dataset, datasets_dir=datasets_dir)
        if split in frames:
            return frames[split]
        found = sorted(frames)
    raise DataError(
        f"The split must be one that {data.dataset} has ({', '.join(found)}), but it is "
        f"{split!r}. Choose with --split, or give a --file."
    )


def _table(file: Path) -> Path:
    if file.suffix not in READERS or not file.is_file():
        raise DataError(
            f"A file of texts exists and ends in {', '.join(READERS)}, but it is {file}. "
            "Check --file."
        )
    return file
