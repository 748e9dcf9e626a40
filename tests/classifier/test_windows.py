from dataclasses import replace

import numpy as np
import pytest

from classifier.windows import RULE, RULES, WindowLogits, combine, softmax

THREE = WindowLogits(
    logits=np.array([[2.0, -2.0], [0.0, 6.0], [1.0, -1.0]]), tokens=np.array([512, 512, 256])
)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("mean", [1.0, 1.0]),
        ("by_length", [1.0, 1.4]),
        ("first", [2.0, -2.0]),
        ("last", [1.0, -1.0]),
        ("ends", [1.5, -1.5]),
        ("surest", [0.0, 6.0]),
    ],
)
def test_each_rule_makes_one_answer_of_three_windows(rule: str, expected: list[float]) -> None:
    assert combine(THREE, rule).logits.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("rule", RULES)
def test_one_window_stays_as_it_is_under_every_rule(rule: str) -> None:
    one = WindowLogits(logits=np.array([[0.1, 0.7]]), tokens=np.array([9]))

    assert combine(one, rule).logits.tolist() == [0.1, 0.7]


@pytest.mark.parametrize("rule", RULES)
def test_stars_are_combined_of_the_same_windows_by_the_same_rule(rule: str) -> None:
    # Two columns that are the logits themselves must become what the logits become.
    windows = replace(THREE, stars=np.hstack([THREE.logits] * 5))

    said = combine(windows, rule)

    assert said.stars is not None
    assert said.stars.tolist() == pytest.approx(said.logits.tolist() * 5)


@pytest.mark.parametrize("rule", RULES)
def test_the_weights_of_windows_sum_to_one(rule: str) -> None:
    assert RULES[rule](THREE).sum() == pytest.approx(1)


def test_the_rule_in_force_is_one_of_the_rules() -> None:
    assert combine(THREE).logits.tolist() == combine(THREE, RULE).logits.tolist()


def test_softmax_sums_to_one_and_keeps_the_order() -> None:
    probabilities = softmax(np.array([1.0, 3.0, 2.0]))

    assert probabilities.sum() == pytest.approx(1)
    assert probabilities.argsort().tolist() == [0, 2, 1]


def test_softmax_of_equal_logits_is_even() -> None:
    assert softmax(np.array([4.0, 4.0])).tolist() == [0.5, 0.5]


def test_softmax_does_not_overflow() -> None:
    assert softmax(np.array([1e4, -1e4])).tolist() == [1.0, 0.0]
