"""Rows that no person labelled: what an ensemble says of each, as probabilities.

They lie in PSEUDO_DIR/NAME: `train.parquet` has `text`, `p_X` for each label X (each row summing
to 1), `source_row` (the number of the row in what it was read from, 0 the first) and, where
members of the ensemble know of stars, `stars_1` .. `stars_10` (each row summing to 1, or ten zeros
where none is known). `facts.json` says how they came to be.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from classifier.ratings import RATINGS
from training.data.reading import DataError, read_table
from training.data.splits import LabelledSplits, row_keys
from training.data.stars import HIGH, LOW, NO_STARS

logger = logging.getLogger(__name__)

PSEUDO_LABELLED = "pseudo_labelled"  # of a run's training rows: how many are
ROWS = "train.parquet"
FACTS = "facts.json"
PROBABILITY = "p_"
STAR_COLUMNS = tuple(f"stars_{rating}" for rating in RATINGS)
TOLERANCE = 1e-3  # in the sum of a row; float32 is far closer


def read_pseudo_rows(place: Path, labels: Sequence[str]) -> pd.DataFrame:
    """The rows that lie in `place`, ready to train on.

    Args:
        place: their folder, or the Parquet file itself.
        labels: those of the model, in the order of its outputs.

    Returns:
        Rows of `text`, `soft_labels` (a list of as many floats as labels, in their order, summing
        to 1) and `soft_stars` (a list of ten floats summing to 1, or ten zeros where unknown).

    Raises:
        DataError: there are none, their labels are others, or a row is no distribution.
    """
    file = place / ROWS if place.is_dir() else place
    if not file.is_file():
        raise DataError(
            f"Pseudo-labelled rows lie in a folder with {ROWS}, but {place} has none. "
            "Write them: manage.py pseudo_label."
        )
    frame = read_table(file)
    _require_columns(frame, labels, place)
    if frame.empty:
        raise DataError(
            f"Pseudo-labelled rows are at least one, but {place.name} has none. "
            "Write them anew: manage.py pseudo_label."
        )
    if not all(isinstance(text, str) and text.strip() for text in frame["text"]):
        raise DataError(
            f"Every pseudo-labelled row has a text, but one of {place.name} is empty. "
            "Write them anew: manage.py pseudo_label."
        )
    soft_labels = _distributions(frame, [PROBABILITY + label for label in labels], place)
    if STAR_COLUMNS[0] in frame:
        soft_stars = _distributions(frame, STAR_COLUMNS, place, unknown=True)
    else:
        soft_stars = np.zeros((len(frame), len(STAR_COLUMNS)))
    return pd.DataFrame(
        {
            "text": frame["text"],
            "soft_labels": soft_labels.tolist(),
            "soft_stars": soft_stars.tolist(),
        }
    )


def add_pseudo_rows(
    train: pd.DataFrame, pseudo: pd.DataFrame, splits: LabelledSplits
) -> pd.DataFrame:
    """The training rows, and below them the pseudo-labelled ones.

    A text that stands in validation or test is left out, whenever it was labelled: a student is
    not taught the rows that it is measured on.

    Args:
        train: rows of `text` and `label`.
        pseudo: as read_pseudo_rows gives them.

    Returns:
        Rows numbered anew. The label of those below is the likeliest one; soft_labels and
        soft_stars are missing in those above.

    Raises:
        DataError: the data are pairs of texts.
    """
    if "text_pair" in train:
        raise DataError(
            "Pseudo-labelled rows are single texts, but the data are pairs. "
            "Leave out --pseudo-rows."
        )
    measured = {*row_keys(splits.validation), *row_keys(splits.test)}
    kept = pseudo[[key not in measured for key in row_keys(pseudo)]]
    if len(kept) < len(pseudo):
        logger.info("%d pseudo-labelled rows stand in validation or test", len(pseudo) - len(kept))
    likeliest = [int(np.argmax(shares)) for shares in kept["soft_labels"]]
    added = pd.concat([train, kept.assign(label=likeliest)], ignore_index=True)
    for column in {LOW, HIGH} & set(train):
        added[column] = added[column].fillna(NO_STARS).astype("int64")
    return added


def _require_columns(frame: pd.DataFrame, labels: Sequence[str], place: Path) -> None:
    found = {column.removeprefix(PROBABILITY) for column in frame if column.startswith(PROBABILITY)}
    if found != set(labels):
        raise DataError(
            f"Pseudo-labelled rows have the model's labels ({', '.join(labels)}), but those of "
            f"{place.name} have {', '.join(sorted(found)) or 'none'}. Label them with models of "
            "these labels: manage.py pseudo_label."
        )
    stars = [column for column in STAR_COLUMNS if column in frame]
    if "text" not in frame or 0 < len(stars) < len(STAR_COLUMNS):
        raise DataError(
            f"Pseudo-labelled rows have text and all or none of {STAR_COLUMNS[0]} .. "
            f"{STAR_COLUMNS[-1]}, but those of {place.name} have "
            f"{', '.join(map(str, frame.columns))}. Write them anew: manage.py pseudo_label."
        )


def _distributions(
    frame: pd.DataFrame, columns: Sequence[str], place: Path, *, unknown: bool = False
) -> NDArray[np.float64]:
    """Shape (rows, columns), each row made to sum to exactly 1.

    Args:
        unknown: whether a row may be all zeros, and stays so.
    """
    try:
        values = frame[list(columns)].to_numpy(np.float64)
    except (TypeError, ValueError):
        values = np.full((len(frame), len(columns)), np.nan)
    sums = values.sum(axis=1)
    sound = (values >= 0).all(axis=1) & (abs(sums - 1) <= TOLERANCE)
    if unknown:
        sound |= (values == 0).all(axis=1)
    if not sound.all():
        row = int(np.flatnonzero(~sound)[0])
        raise DataError(
            f"{columns[0]} .. {columns[-1]} are probabilities that sum to 1, but row {row + 1} of "
            f"{place.name} has {', '.join(f'{value:g}' for value in values[row])}. "
            "Write them anew: manage.py pseudo_label."
        )
    whole: NDArray[np.float64] = values / np.where(sums == 0, 1, sums)[:, None]
    return whole
