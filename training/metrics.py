"""Measures of a classifier, from its probabilities and the true labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from classifier.labels import POSITIVE


def classification_metrics(
    probabilities: NDArray[np.float64], label_ids: NDArray[np.int64], labels: Sequence[str]
) -> dict[str, float]:
    """Flat measures of a split, every row counted.

    Args:
        probabilities: shape (rows, labels), each row summing to 1.
        label_ids: shape (rows,), the true label of each row, 0..labels-1.
        labels: names of the labels, in the order of the columns.

    Returns:
        `rows`, `accuracy`, `f1_macro` and `majority_baseline` (accuracy of always giving the
        commonest label); with the two sentiments also `f1`, `roc_auc` and `average_precision`
        of POSITIVE. ROC AUC and average precision are left out where one label alone occurs,
        as they are not defined there.
    """
    predicted = probabilities.argmax(axis=1)
    result = {
        "rows": float(len(label_ids)),
        "accuracy": float(metrics.accuracy_score(label_ids, predicted)),
        "f1_macro": float(metrics.f1_score(label_ids, predicted, average="macro", zero_division=0)),
        "majority_baseline": float(np.bincount(label_ids).max() / len(label_ids)),
    }
    if POSITIVE in labels and len(labels) == 2:
        positive = labels.index(POSITIVE)
        truth = label_ids == positive
        result["f1"] = float(metrics.f1_score(truth, predicted == positive, zero_division=0))
        if 0 < truth.sum() < len(truth):
            score = probabilities[:, positive]
            result["roc_auc"] = float(metrics.roc_auc_score(truth, score))
            result["average_precision"] = float(metrics.average_precision_score(truth, score))
    return result
