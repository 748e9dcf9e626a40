"""What the model page draws of an evaluation, small enough to stand in metrics.json.

It is made of counts and rates alone: no text of the data is in it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from training.evaluation.metrics import Evaluation

POINTS = 50  # of a curve
LABELS = 7  # the labels whose curves are kept, the commonest
CONFUSED_LABELS = 24  # more have no confusion matrix that can be read
DIGITS = 4


def curve_points(evaluation: Evaluation) -> dict[str, Any]:
    """Confusion matrix, reliability, ROC and precision-recall curves, and accuracy by length.

    Returns:
        `labels`; `confusion`, rows by true label and label given, where it can be read;
        `reliability`, of each bin that has rows [mean confidence, accuracy, rows]; `curves`, of
        each label its measures and points [false positive rate, true positive rate] and [recall,
        precision], the commonest label first; `lengths`, of each slice [shortest, longest or
        None, rows, accuracy] in tokens.
    """
    commonest = sorted(evaluation.curves, key=lambda curve: -curve.share)[:LABELS]
    points: dict[str, Any] = {
        "labels": list(evaluation.labels),
        "reliability": [
            [round(part.confidence, DIGITS), round(part.accuracy, DIGITS), part.rows]
            for part in evaluation.calibration
            if part.rows
        ],
        "curves": [
            {
                "label": curve.label,
                "roc_auc": round(curve.roc_auc, DIGITS),
                "average_precision": round(curve.average_precision, DIGITS),
                "share": round(curve.share, DIGITS),
                "roc": along(curve.false_positive_rate, curve.true_positive_rate),
                "precision_recall": along(curve.recall, curve.precision),
            }
            for curve in commonest
        ],
        "lengths": [
            [each.shortest, each.longest, each.rows, round(each.accuracy, DIGITS)]
            for each in evaluation.slices
        ],
    }
    if len(evaluation.labels) <= CONFUSED_LABELS:
        points["confusion"] = [list(row) for row in evaluation.confusion]
    return points


def along(xs: Sequence[float], ys: Sequence[float], count: int = POINTS) -> list[list[float]]:
    """`count` points of a curve, both ends among them, as far apart along it as one another.

    Those of a curve that rises at once and then creeps lie where it bends, which every n-th of its
    rows would miss.
    """
    x, y = np.asarray(xs, dtype=np.float64), np.asarray(ys, dtype=np.float64)
    if len(x) > count:
        lengths = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        places = np.linspace(0.0, lengths[-1], count)
        x, y = np.interp(places, lengths, x), np.interp(places, lengths, y)
    points: list[list[float]] = np.column_stack([x, y]).round(DIGITS).tolist()
    return points
