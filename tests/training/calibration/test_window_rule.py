"""The rule of windows is chosen where one is better beyond chance, and else stays."""

import numpy as np
import pytest
from numpy.typing import NDArray

from classifier.windows import RULE, RULES, WindowLogits
from training.calibration.errors import CalibrationError
from training.calibration.window_rule import LEAST_LONG, choose_rule


def texts(
    count: int, *, telling: str, seed: int = 0
) -> tuple[list[WindowLogits], NDArray[np.int64]]:
    """Half of them of three windows, of which `telling` says where the label shows."""
    generator = np.random.default_rng(seed)
    label_ids = generator.integers(2, size=count)
    windows = []
    for number, label in enumerate(label_ids):
        parts = 3 if number % 2 else 1
        signal = generator.normal(0, 1.5 if telling != "every" else 0.5, size=parts)
        said = generator.normal(2 if label else -2, 1.5)
        match telling:
            case "last":
                signal[-1] += said
            case "first":
                signal[0] += said
            case _:
                signal += said
        windows.append(
            WindowLogits(
                logits=np.stack([-signal, signal], axis=1),
                tokens=np.array([32, 32, 20][:parts]),
            )
        )
    return windows, label_ids


@pytest.mark.parametrize(("telling", "rule"), [("last", "last"), ("first", "first")])
def test_the_rule_that_reads_the_telling_window_is_chosen(telling: str, rule: str) -> None:
    choice = choose_rule(*texts(400, telling=telling))
    assert choice.rule == rule
    assert choice.long_rows == 200
    assert choice.measures[rule].gain > choice.measures[rule].gain_error
    assert choice.measures[rule].long_accuracy > choice.measures[RULE].long_accuracy


def test_the_mean_stays_where_every_window_tells() -> None:
    choice = choose_rule(*texts(400, telling="every"))
    assert choice.rule == RULE
    assert set(choice.measures) == set(RULES)
    assert choice.measures[RULE].gain == choice.measures[RULE].gain_error == 0


def test_a_handful_of_long_texts_decides_nothing() -> None:
    choice = choose_rule(*texts(2 * LEAST_LONG - 2, telling="last"))
    assert (choice.rule, choice.long_rows, choice.measures) == (RULE, LEAST_LONG - 1, {})


def test_how_sure_a_rule_is_does_not_decide() -> None:
    windows, label_ids = texts(400, telling="last")
    sharp = [WindowLogits(logits=3 * one.logits, tokens=one.tokens) for one in windows]
    expected, found = (choose_rule(some, label_ids).measures for some in (windows, sharp))
    for rule in RULES:
        assert found[rule].long_log_loss == pytest.approx(expected[rule].long_log_loss, abs=1e-4)


def test_one_label_is_refused() -> None:
    windows, _ = texts(100, telling="last")
    with pytest.raises(CalibrationError, match="two labels"):
        choose_rule(windows, np.ones(100, dtype=np.int64))
