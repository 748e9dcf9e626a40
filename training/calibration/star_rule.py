"""The decision over a star head's distribution, and the temperature of its logits."""

import numpy as np
from numpy.typing import NDArray

from classifier.ratings import StarRule
from training.calibration.decision import covering_mass, rows_with_stars, widest_middle
from training.calibration.temperature import least
from training.evaluation.rated import star_intervals, star_shares, star_values
from training.evaluation.rating_measures import Cells

EXACT_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
# In rating points: a rule that is a hundredth worse on average is as good if it is exactly right
# for one row more in a hundred. The mode alone is right most often, but far off when it is wrong.
EXACT_WORTH = 1.0


def fit_star_temperature(
    positive_probability: NDArray[np.float64], star_logits: NDArray[np.float64], cells: Cells
) -> float:
    """The temperature of the star logits under which the stars of validation rows are likeliest.

    P(positive) shares its mass out as before, so this changes the ratings within each half alone.

    Args:
        positive_probability: shape (rows,), calibrated already.
        star_logits: shape (rows, 10).
        cells: of the same rows.

    Returns:
        1/20..20.

    Raises:
        CalibrationError: fewer than LEAST_ROWS rows have stars.
    """
    rows = rows_with_stars(cells)
    probability, logits, cells = positive_probability[rows], star_logits[rows], cells[rows]
    scale = np.arange(1, 11)
    inside = (cells.low[:, None] <= scale) & (scale <= cells.high[:, None])
    softened = 1 / (len(cells) + 2)  # as of fit_temperature

    def loss(temperature: float) -> float:
        shares = star_shares(probability, logits / temperature)
        likelihood = (shares * inside).sum(axis=1)
        return -float(np.log((1 - softened) * likelihood + softened / 10).mean())

    return least(loss)


def fit_star_rule(
    positive_probability: NDArray[np.float64],
    star_logits: NDArray[np.float64],
    cells: Cells,
    *,
    interval: float = 0.8,
) -> StarRule:
    """The rule that does best on validation rows.

    `exact_weight` has the least mean absolute error less EXACT_WORTH times the share that is
    exactly right, of EXACT_WEIGHTS; `middle` is as widest_middle says.

    Args:
        positive_probability: shape (rows,).
        star_logits: shape (rows, 10).
        cells: of the same rows.
        interval: the share of the stars that intervals shall cover, 0..1.

    Raises:
        CalibrationError: fewer than LEAST_ROWS rows have stars.
    """
    rows = rows_with_stars(cells)
    probability, cells = positive_probability[rows], cells[rows]
    shares = star_shares(probability, star_logits[rows])

    def error_of(exact_weight: float, middle: float = 0.0) -> float:
        values = star_values(exact_weight, middle, probability, shares)
        return float(cells.distance(values).mean())

    def loss_of(exact_weight: float) -> float:
        distance = cells.distance(star_values(exact_weight, 0.0, probability, shares))
        return float(distance.mean() - EXACT_WORTH * (distance == 0).mean())

    weight = min(EXACT_WEIGHTS, key=loss_of)
    middle = widest_middle(lambda width: error_of(weight, width), without=error_of(weight))
    values = star_values(weight, middle, probability, shares)
    mass = covering_mass(
        lambda mass: float(cells.within(*star_intervals(mass, values, shares)).mean()), interval
    )
    return StarRule(exact_weight=weight, middle=middle, interval_mass=mass)
