"""Steps of P(positive) that mean what reviewers' stars mean, for a model without a star head."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from classifier.ratings import HIGHEST, LOWEST, ProbabilityMap
from training.calibration.decision import (
    MIDDLES,
    covering_mass,
    rows_with_stars,
    widest_middle,
)
from training.evaluation.rated import map_intervals, rate_rows
from training.evaluation.rating_measures import Cells

NEVER = 2.0  # a threshold that no P reaches
NEAREST = 1e-7  # to 0 and 1 that a P is told from them
LEAST_POOL, POOLS = 5, 200
FOLDS = 5
BELOW_FIVE, BELOW_SIX, BELOW_SEVEN = 3, 4, 5  # where thresholds are of the rating 5, 6, 7


@dataclass(frozen=True)
class _Curve:
    """P(stars > j) as a function of P(positive)."""

    at: NDArray[np.float64]
    """The logits of P in the middle of each step, rising."""
    values: NDArray[np.float64]
    """0..1, rising; between the middles it runs in lines, outside of them it stays."""

    def reaches(self, level: float) -> float:
        """The first P at which it is `level`; 0 where it always is, NEVER where it never is."""
        if level <= self.values[0]:
            return 0.0
        if level > self.values[-1]:
            return NEVER
        return float(expit(np.interp(level, self.values, self.at)))


def fit_probability_map(
    positive_probability: NDArray[np.float64], cells: Cells, *, interval: float = 0.8
) -> ProbabilityMap:
    """The map fitted on validation rows with stars.

    For each j = 1..9 an isotonic regression of [stars > j] on P (of a cell that j divides, the
    fraction above it); the rating is the median, so it exceeds j from the first P on at which
    P(stars > j) is a half. The interval's ends are quantiles: of the mass with which the stars of
    held-out fifths of the rows are covered as often as asked for.

    Rows without 5 and 6 stars have the thresholds of 5, 6 and 7 at one place, and no middle. Then
    a band of P about a half gets it: 5 below a half, where the label is negative, and 6 from there
    on, as wide as training.calibration.decision.widest_middle finds. The thresholds on either side
    give way to it.

    Args:
        positive_probability: shape (rows,), calibrated already.
        cells: of the same rows.
        interval: the share of the stars that intervals shall cover, 0..1.

    Raises:
        CalibrationError: fewer than LEAST_ROWS rows have stars.
    """
    rows = rows_with_stars(cells)
    probability, cells = positive_probability[rows], cells[rows]
    curves = _curves(probability, cells)
    middle = None if _has_middle(_steps(curves, 0.5)) else _middle(curves, probability, cells)
    folds = np.random.default_rng(0).permutation(len(cells)) % FOLDS
    parts = [
        (_curves(probability[folds != fold], cells[folds != fold]), folds == fold)
        for fold in range(FOLDS)
    ]

    def coverage_of(mass: float) -> float:
        covered = np.empty(len(cells))
        for fitted, held_out in parts:
            ends = map_intervals(_map(fitted, mass, middle), probability[held_out])
            covered[held_out] = cells[held_out].within(*ends)
        return float(covered.mean())

    return _map(curves, covering_mass(coverage_of, interval), middle)


def _curves(probability: NDArray[np.float64], cells: Cells) -> list[_Curve]:
    """One for each j = 1..9. None crosses another, save between the middles of their steps."""
    order = np.argsort(probability, kind="stable")
    # Neighbours are pooled first, else the last step of a curve may be one row.
    size = max(LEAST_POOL, len(order) // POOLS)
    starts = np.arange(0, max(1, len(order) - size + 1), size)
    counts = np.diff([*starts, len(order)])
    places = logit(np.clip(probability[order], NEAREST, 1 - NEAREST))
    at = np.add.reduceat(places, starts) / counts
    curves = []
    for rating in range(LOWEST, HIGHEST):
        shares = np.add.reduceat(cells.above(rating)[order], starts) / counts
        regression = IsotonicRegression(y_min=0, y_max=1).fit(at, shares, sample_weight=counts)
        fitted = regression.predict(at)
        values, owners = np.unique(fitted, return_inverse=True)
        weights = np.bincount(owners, counts)
        curves.append(_Curve(np.bincount(owners, counts * at) / weights, values))
    return curves


def _steps(curves: list[_Curve], level: float) -> NDArray[np.float64]:
    return np.maximum.accumulate([curve.reaches(level) for curve in curves])


def _has_middle(steps: NDArray[np.float64]) -> bool:
    five, six, seven = steps[BELOW_FIVE : BELOW_SEVEN + 1]
    return bool(five < six < seven and seven - five >= 2 * MIDDLES[0])


def _middle(curves: list[_Curve], probability: NDArray[np.float64], cells: Cells) -> float:
    def error_of(middle: float | None) -> float:
        values = rate_rows(_map(curves, 0.0, middle), probability, None).values
        return float(cells.distance(values).mean())

    return widest_middle(error_of, without=error_of(None))


def _map(curves: list[_Curve], mass: float, middle: float | None) -> ProbabilityMap:
    rating = _steps(curves, 0.5)
    if middle is not None:
        rating[:BELOW_FIVE] = np.minimum(rating[:BELOW_FIVE], 0.5 - middle)
        rating[BELOW_FIVE : BELOW_SEVEN + 1] = 0.5 - middle, 0.5, 0.5 + middle
        rating[BELOW_SEVEN + 1 :] = np.maximum(rating[BELOW_SEVEN + 1 :], 0.5 + middle)
    # The interval holds the rating, also where that is a median of nobody's stars.
    low = np.maximum(_steps(curves, (1 + mass) / 2), rating)
    high = np.minimum(_steps(curves, (1 - mass) / 2), rating)
    return ProbabilityMap(*(tuple(map(float, steps)) for steps in (rating, low, high)))
