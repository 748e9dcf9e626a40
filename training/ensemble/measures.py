"""How good members and ensemble are, on rows whose labels and stars are known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import spearmanr

from training.beliefs import Beliefs
from training.metrics import split_measures

LABEL_MEASURES = ("accuracy", "f1", "roc_auc", "log_loss", "calibration_error")
STAR_MEASURES = ("star_error", "star_exact", "star_exact_mode", "star_rank")
FLOOR = 1e-12  # of a probability whose logarithm is taken


def member_measures(said: Beliefs, frame: pd.DataFrame, labels: Sequence[str]) -> dict[str, float]:
    """Those of LABEL_MEASURES that are defined, and STAR_MEASURES where both know of stars.

    Args:
        said: of the rows of `frame`, labels in the order of `labels`.
        frame: rows of `label`, an id; `star_low` and `star_high` where stars are known.

    Returns:
        `log_loss` is in nats. `star_error` is the mean distance of the median rating from what
        the row's stars cover, `star_exact` the share with none, `star_exact_mode` that of the
        likeliest rating, `star_rank` Spearman's correlation of the mean rating with the stars.
    """
    label_ids = frame["label"].to_numpy()
    found = split_measures(said.labels, label_ids, labels)
    truth = said.labels[np.arange(len(label_ids)), label_ids]
    found["log_loss"] = -float(np.log(np.maximum(truth, FLOOR)).mean())
    measures = {name: found[name] for name in LABEL_MEASURES if name in found}
    if said.stars is not None and "star_low" in frame:
        stars = frame[["star_low", "star_high"]].to_numpy()
        if (known := stars[:, 0] > 0).any():
            measures |= _star_measures(said.stars[known], stars[known])
    return measures


def _star_measures(shares: NDArray[np.float64], stars: NDArray[np.int64]) -> dict[str, float]:
    scale = np.arange(1, shares.shape[1] + 1)
    median = 1 + (shares.cumsum(axis=1) < 0.5).sum(axis=1).clip(max=len(scale) - 1)
    low, high = stars.T
    away, mode_away = (
        np.maximum(0, np.maximum(low - rating, rating - high))
        for rating in (median, 1 + shares.argmax(axis=1))
    )
    measures = {
        "star_error": float(away.mean()),
        "star_exact": float((away == 0).mean()),
        "star_exact_mode": float((mode_away == 0).mean()),
    }
    expected, middle = shares @ scale, low + high
    if np.ptp(expected) > 0 and np.ptp(middle) > 0:
        measures["star_rank"] = float(spearmanr(expected, middle).statistic)
    return measures
