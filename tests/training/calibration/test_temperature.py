"""A temperature that is known, found again; and what it does to a model that is too sure."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from training.calibration.errors import CalibrationError
from training.calibration.temperature import fit_temperature, log_loss
from training.evaluation.metrics import calibration_bins, calibration_error

Drawn = tuple[NDArray[np.float64], NDArray[np.int64]]


def drawn(rows: int, *, labels: int = 2, seed: int = 0, temperature: float = 1.0) -> Drawn:
    """Logits, and labels drawn by the probabilities that they give when divided by T."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2.5 * temperature, size=(rows, labels))
    ends = softmax(logits / temperature, axis=1).cumsum(axis=1)
    return logits, (generator.random((rows, 1)) > ends).sum(axis=1).clip(max=labels - 1)


@pytest.mark.parametrize("labels", [2, 5])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_rows_were_drawn_with_is_found(
    labels: int, temperature: float
) -> None:
    found = fit_temperature(*drawn(20_000, labels=labels, temperature=temperature))
    assert found == pytest.approx(temperature, rel=0.04)


def test_a_model_that_is_too_sure_becomes_calibrated_on_rows_it_was_not_fitted_on() -> None:
    temperature = fit_temperature(*drawn(3_000, temperature=2.5, seed=1))
    logits, label_ids = drawn(20_000, temperature=2.5, seed=2)

    def error(values: NDArray[np.float64]) -> float:
        return calibration_error(calibration_bins(softmax(values, axis=1), label_ids))

    assert error(logits) > 0.05
    assert error(logits / temperature) < 0.01
    assert log_loss(logits / temperature, label_ids).mean() < log_loss(logits, label_ids).mean()


def test_logits_that_were_divided_need_no_more() -> None:
    logits, label_ids = drawn(5_000, temperature=2.5)
    once = logits / fit_temperature(logits, label_ids)
    assert fit_temperature(once, label_ids) == pytest.approx(1, abs=0.01)


def test_a_few_rows_that_are_all_right_do_not_make_it_boundlessly_sure() -> None:
    label_ids = np.arange(50) % 2
    logits = np.where(np.eye(2)[label_ids] > 0, 1.0, -1.0)
    probability = softmax(logits / fit_temperature(logits, label_ids), axis=1).max()
    assert 0.97 < probability < 0.995


@pytest.mark.parametrize(("rows", "said"), [(0, "0 rows of 0"), (7, "7 rows of 1")])
def test_rows_of_two_labels_are_needed(rows: int, said: str) -> None:
    with pytest.raises(CalibrationError, match=said):
        fit_temperature(np.zeros((rows, 2)), np.zeros(rows, dtype=np.int64))
