import json

import numpy as np
import pytest

from training.evaluation.curve_points import POINTS, along, curve_points
from training.evaluation.metrics import (
    Evaluation,
    calibration_bins,
    class_measures,
    classification_metrics,
    confusion_counts,
    label_curves,
    length_slices,
)

LABELS = ("NEGATIVE", "POSITIVE")


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 2, 3000)
    positive = 1 / (1 + np.exp(-(4 * truth - 2 + 2 * draw.normal(size=3000))))
    probabilities = np.column_stack([1 - positive, positive])
    return Evaluation(
        labels=LABELS,
        measures=classification_metrics(probabilities, truth, LABELS),
        classes=class_measures(probabilities, truth, LABELS),
        confusion=confusion_counts(probabilities, truth),
        calibration=calibration_bins(probabilities, truth),
        curves=label_curves(probabilities, truth, LABELS),
        slices=length_slices(probabilities, truth, draw.integers(5, 700, 3000)),
        errors=(),
        probabilities=probabilities,
        label_ids=truth,
    )


def test_few_points_keep_the_area_under_the_curves(evaluation: Evaluation) -> None:
    [curve] = curve_points(evaluation)["curves"]

    assert len(curve["roc"]) == POINTS
    assert curve["roc"][0] == [0, 0]
    assert curve["roc"][-1] == [1, 1]
    x, y = np.asarray(curve["roc"]).T
    assert float(np.trapezoid(y, x)) == pytest.approx(curve["roc_auc"], abs=0.005)


def test_counts_and_slices_are_those_that_were_measured(evaluation: Evaluation) -> None:
    points = curve_points(evaluation)

    assert points["confusion"] == [list(row) for row in evaluation.confusion]
    assert sum(rows for _sure, _right, rows in points["reliability"]) == 3000
    assert sum(rows for _shortest, _longest, rows, _accuracy in points["lengths"]) == 3000


def test_it_is_small_and_json(evaluation: Evaluation) -> None:
    assert len(json.dumps(curve_points(evaluation), allow_nan=False)) < 5000


def test_points_lie_as_far_apart_along_a_curve_as_one_another() -> None:
    xs = [0.0] * 1000 + list(np.linspace(0, 1, 10))
    ys = list(np.linspace(0, 1, 1000)) + [1.0] * 10

    points = np.asarray(along(xs, ys, 21))

    steps = np.hypot(*np.diff(points, axis=0).T)
    assert steps == pytest.approx(np.full(20, 0.1), abs=1e-3)


def test_a_short_curve_keeps_its_own_points() -> None:
    assert along([0, 0.5, 1], [0, 1, 1]) == [[0, 0], [0.5, 1], [1, 1]]
