"""What is done about classes of different size: weights, and rows drawn more or less often.

All of it is made from the training rows alone and for them alone; validation and test keep the
sizes that the world gave their classes.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def class_weights(label_ids: Sequence[int] | NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Weights of shape (count,): rows / (classes * rows of the class), scikit-learn's "balanced".

    Their mean over the rows is 1, so the learning rate keeps its meaning (King and Zeng 2001). A
    class without rows, which no loss ever meets, has weight 1.

    Args:
        label_ids: of the training rows, 0..count-1.
    """
    from sklearn.utils.class_weight import compute_class_weight

    present = np.unique(np.asarray(label_ids))
    weights = np.ones(count)
    weights[present] = compute_class_weight("balanced", classes=present, y=np.asarray(label_ids))
    return weights


def resample(
    frame: pd.DataFrame, how: Literal["oversample", "undersample"], *, seed: int
) -> pd.DataFrame:
    """Rows in which every class is as large as the largest, or as small as the smallest.

    Args:
        frame: training rows with `label`; all other columns go along.
        how: "oversample" keeps every row and draws more of the smaller classes, each of their
            rows equally often, or once more; "undersample" keeps a part of the larger classes.

    Returns:
        The rows kept in their order, then those drawn again, numbered anew from 0.
    """
    rng = np.random.default_rng(seed)
    sizes = frame["label"].value_counts()
    kept, added = [], []
    for label in sorted(sizes.index):
        rows = np.flatnonzero(frame["label"] == label)
        if how == "undersample":
            kept.append(rng.permutation(rows)[: sizes.min()])
            continue
        kept.append(rows)
        rounds, rest = divmod(int(sizes.max()), len(rows))
        added += [rows] * (rounds - 1) + [rng.permutation(rows)[:rest]]
    order = np.concatenate([np.sort(np.concatenate(kept)), *added])
    return frame.iloc[order].reset_index(drop=True)


def rows_wanted(label_ids: Sequence[int] | NDArray[np.int64], rows: int) -> dict[int, int]:
    """How many rows to generate of each class.

    Args:
        label_ids: of the training rows.
        rows: in all, each for the class that is the smallest by then; 0 brings every class to
            the size of the largest.
    """
    present, counts = np.unique(np.asarray(label_ids), return_counts=True)
    goal = counts.copy()
    if rows == 0:
        goal[:] = counts.max()
    for _ in range(rows):
        goal[goal.argmin()] += 1
    missing = goal - counts
    return {
        int(label): int(number) for label, number in zip(present, missing, strict=True) if number
    }
