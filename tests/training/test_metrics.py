import numpy as np
import pytest

from training.metrics import classification_metrics

SENTIMENTS = ("NEGATIVE", "POSITIVE")


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


def test_positive_is_found_by_name_and_not_by_place() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    found = classification_metrics(probabilities, np.array([0, 1]), ("POSITIVE", "NEGATIVE"))
    assert found["f1"] == found["roc_auc"] == 1.0


def test_with_one_label_alone_ranking_measures_are_left_out() -> None:
    found = classification_metrics(np.array([[0.1, 0.9]]), np.array([1]), SENTIMENTS)
    assert found["accuracy"] == 1.0
    assert "roc_auc" not in found


def test_other_classes_get_accuracy_and_macro_f1() -> None:
    found = classification_metrics(np.eye(3), np.array([0, 1, 1]), ("anger", "joy", "love"))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert set(found) == {"rows", "accuracy", "f1_macro", "majority_baseline"}
