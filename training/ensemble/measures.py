"""How good members and ensemble are, on rows whose labels and stars are known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from classifier.ratings import LOWEST
from training.ensemble.beliefs import Beliefs
from training.evaluation.metrics import split_measures
from training.evaluation.rated import SCALE, Rated
from training.evaluation.rating_measures import RATING_MEASURES, cells_of, rating_measures

LABEL_MEASURES = ("accuracy", "f1", "roc_auc", "log_loss", "calibration_error")
FLOOR = 1e-12  # of a probability whose logarithm is taken


def member_measures(said: Beliefs, frame: pd.DataFrame, labels: Sequence[str]) -> dict[str, float]:
    """Those of LABEL_MEASURES that are defined, and of its ratings where both know of stars.

    Args:
        said: of the rows of `frame`, labels in the order of `labels`.
        frame: rows of `label`, an id; `star_low` and `star_high` where stars are known.

    Returns:
        `log_loss` is in nats. Those of ratings are as rating_measures has them, where a rating is
        the median of what is said; `rating_exact_mode` is `rating_exact` of the likeliest.
    """
    label_ids = frame["label"].to_numpy()
    found = split_measures(said.labels, label_ids, labels)
    truth = said.labels[np.arange(len(label_ids)), label_ids]
    found["log_loss"] = -float(np.log(np.maximum(truth, FLOOR)).mean())
    measures = {name: found[name] for name in LABEL_MEASURES if name in found}
    cells = cells_of(frame)
    if said.stars is not None and cells.known.any():
        below_half = said.stars.cumsum(axis=1) < 0.5
        median = LOWEST + below_half.sum(axis=1).clip(max=len(SCALE) - 1)
        rated = rating_measures(Rated(median, None, None, said.stars @ SCALE), cells)
        measures |= {name: rated[name] for name in RATING_MEASURES if name in rated}
        modes = (LOWEST + said.stars.argmax(axis=1))[cells.known]
        exact = cells[cells.known].distance(modes) == 0
        measures["rating_exact_mode"] = float(exact.mean())
    return measures
