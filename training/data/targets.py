"""What the outputs of each training row are to be, where it is more than the id of its label."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.data.stars import LOW, star_targets

LABELS, STARS = "label_targets", "star_targets"  # columns of tokenized rows
SOFT_LABELS, SOFT_STARS = "soft_labels", "soft_stars"  # columns of pseudo-labelled rows


def with_targets(frame: pd.DataFrame, labels: Sequence[str], *, stars: bool) -> pd.DataFrame:
    """Rows with a column for each target that they have.

    Args:
        frame: rows with `label`; star_low and star_high where they have stars; soft_labels and
            soft_stars where some are pseudo-labelled, missing in the others.
        stars: whether there is a star head to learn.

    Returns:
        With `star_targets`, ten shares of 1 or ten zeros, where there is a star head, and with
        `label_targets`, shares of 1 by label, where any row has soft ones.
    """
    targets: dict[str, list[NDArray[np.float32]]] = {}
    if stars:
        targets[STARS] = list(star_targets(frame) if LOW in frame else _zeros(frame))
        _put(targets[STARS], frame, SOFT_STARS)
    if SOFT_LABELS in frame:
        targets[LABELS] = list(np.eye(len(labels), dtype=np.float32)[frame["label"]])
        _put(targets[LABELS], frame, SOFT_LABELS)
    return frame.assign(**targets)


def _zeros(frame: pd.DataFrame) -> NDArray[np.float32]:
    return np.zeros((len(frame), 10), dtype=np.float32)


def _put(targets: list[NDArray[np.float32]], frame: pd.DataFrame, column: str) -> None:
    if column in frame:
        for row, soft in enumerate(frame[column]):
            if isinstance(soft, (list, np.ndarray)):  # NaN where a row has none
                targets[row] = np.asarray(soft, dtype=np.float32)
