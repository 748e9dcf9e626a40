import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from training.evaluation.metrics import (
    CURVE_POINTS,
    calibration_bins,
    calibration_error,
    class_measures,
    classification_metrics,
    confusion_counts,
    label_curves,
    length_slices,
    metric_keys,
)

SENTIMENTS = ("NEGATIVE", "POSITIVE")


def drawn(rows: int, labels: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    generator = np.random.default_rng(seed)
    return (
        generator.dirichlet(np.ones(labels), size=rows),
        generator.integers(labels, size=rows),
    )


def test_sentiment_measures_are_those_counted_by_hand() -> None:
    positive = np.array([0.9, 0.8, 0.4, 0.3, 0.1])
    truth = np.array([1, 0, 1, 0, 0])
    found = classification_metrics(np.column_stack([1 - positive, positive]), truth, SENTIMENTS)
    assert found["rows"] == 5
    assert found["accuracy"] == pytest.approx(3 / 5)
    assert found["majority_baseline"] == pytest.approx(3 / 5)
    assert found["f1"] == pytest.approx(0.5)  # one of two found, one of two claimed true
    assert found["roc_auc"] == pytest.approx(5 / 6)  # pairs in the right order
    assert found["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert found["precision_NEGATIVE"] == found["recall_NEGATIVE"] == pytest.approx(2 / 3)
    assert found["precision_POSITIVE"] == found["recall_POSITIVE"] == pytest.approx(1 / 2)


def test_positive_is_found_by_name_and_not_by_place() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = classification_metrics(probabilities, np.array([0, 1]), ("POSITIVE", "NEGATIVE"))
    assert found["f1"] == found["roc_auc"] == 1.0


def test_of_two_other_labels_the_second_is_the_positive_one() -> None:
    found = classification_metrics(
        np.array([[0.1, 0.9], [0.2, 0.8], [0.9, 0.1]]), np.array([1, 0, 0]), ("no", "yes")
    )
    assert found["f1"] == pytest.approx(2 / 3) == found["f1_yes"]


def test_with_one_label_alone_ranking_measures_are_left_out() -> None:
    found = classification_metrics(np.array([[0.1, 0.9]]), np.array([1]), SENTIMENTS)
    assert found["accuracy"] == 1.0
    assert "roc_auc" not in found


def test_of_more_labels_ranking_is_the_mean_over_those_that_occur() -> None:
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.5, 0.3, 0.2], [0.2, 0.5, 0.3]])
    truth = np.array([0, 1, 1, 0])
    found = classification_metrics(probabilities, truth, ("anger", "joy", "love"))
    assert found["roc_auc"] == pytest.approx((3 / 4 + 3 / 4) / 2)


def test_a_label_that_neither_occurs_nor_is_given_has_no_measures() -> None:
    found = classification_metrics(np.eye(3)[:2], np.array([0, 1]), ("anger", "joy", "love"))
    assert "f1_joy" in found
    assert "f1_love" not in found


@settings(max_examples=30)
@given(rows=st.integers(1, 40), labels=st.integers(2, 5), seed=st.integers(0, 1000))
def test_every_measure_lies_in_its_range_and_macro_f1_is_the_mean_of_its_parts(
    rows: int, labels: int, seed: int
) -> None:
    names = tuple(f"label{index}" for index in range(labels))
    found = classification_metrics(*drawn(rows, labels, seed), names)
    assert all(0 <= value <= 1 + 1e-9 for key, value in found.items() if key != "rows")
    parts = [value for key, value in found.items() if key.startswith("f1_label")]
    assert found["f1_macro"] == pytest.approx(np.mean(parts))


@settings(max_examples=30)
@given(rows=st.integers(1, 40), labels=st.integers(2, 5), seed=st.integers(0, 1000))
def test_confusion_bins_and_slices_count_every_row(rows: int, labels: int, seed: int) -> None:
    probabilities, truth = drawn(rows, labels, seed)
    tokens = np.random.default_rng(seed).integers(1, 3000, size=rows)
    assert np.sum(confusion_counts(probabilities, truth)) == rows
    assert sum(part.rows for part in calibration_bins(probabilities, truth)) == rows
    assert sum(part.rows for part in length_slices(probabilities, truth, tokens)) == rows


def test_calibration_error_is_the_mean_distance_of_confidence_and_accuracy() -> None:
    # Four rows at 0.8, two of them right; two at 1.0, both right.
    probabilities = np.array([[0.8, 0.2]] * 4 + [[0.0, 1.0]] * 2)
    bins = calibration_bins(probabilities, np.array([0, 0, 1, 1, 1, 1]))
    assert calibration_error(bins) == pytest.approx(4 / 6 * 0.3)
    assert [part.rows for part in bins if part.rows] == [4, 2]


def test_a_probability_on_an_edge_belongs_to_the_bin_below() -> None:
    bins = calibration_bins(np.array([[0.6, 0.4]]), np.array([0]))
    assert [part.upper for part in bins if part.rows] == [pytest.approx(0.6)]


def test_slices_end_at_the_same_lengths_whatever_the_rows() -> None:
    probabilities = np.array([[0.9, 0.1]] * 3)
    slices = length_slices(probabilities, np.array([0, 0, 1]), np.array([16, 17, 5000]))
    assert [(part.shortest, part.longest) for part in slices] == [(1, 16), (17, 32), (1025, None)]
    assert [part.accuracy for part in slices] == [1, 1, 0]


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    (curve,) = label_curves(*drawn(5000, 2), SENTIMENTS)
    assert len(curve.recall) <= CURVE_POINTS
    assert (curve.recall[0], curve.recall[-1]) == (1, 0)
    assert (curve.false_positive_rate[0], curve.true_positive_rate[-1]) == (0, 1)


def test_labels_become_metric_names_that_differ() -> None:
    assert metric_keys(("C++", "C#", "да")) == {"C++": "C_", "C#": "C__1", "да": "да"}


def test_class_measures_count_what_is_true_and_what_is_given() -> None:
    first, second = class_measures(np.array([[0.9, 0.1]] * 3), np.array([0, 0, 1]), SENTIMENTS)
    assert (first.rows, first.given, second.rows, second.given) == (2, 3, 1, 0)


@pytest.mark.parametrize(
    ("probabilities", "truth", "message"),
    [
        (np.empty((0, 2)), np.array([], dtype=int), "at least one row"),
        (np.ones((2, 3)) / 3, np.array([0, 1]), r"2 labels and probabilities of shape \(2, 3\)"),
        (np.array([[np.nan, np.nan]]), np.array([0]), "finite.*1 rows are not"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    probabilities: NDArray[np.float64], truth: NDArray[np.int64], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        classification_metrics(probabilities, truth, SENTIMENTS)


def test_flat_measures_are_plain_numbers() -> None:
    found = classification_metrics(*drawn(50, 3), ("anger", "joy", "love"))
    assert json.loads(json.dumps(found)) == found
