"""The ratings of many rows at once: what classifier.ratings says of each, in numpy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from classifier.ratings import (
    BELOW_MIDDLE,
    HIGHEST,
    LOWEST,
    RATINGS,
    ConfidenceMap,
    ProbabilityMap,
    RatingMap,
    StarRule,
)

SCALE = np.arange(LOWEST, HIGHEST + 1)


@dataclass(frozen=True)
class Rated:
    """The ratings of rows, each array of shape (rows,)."""

    values: NDArray[np.int64]
    """1 (worst) .. 10 (best)."""
    low: NDArray[np.int64] | None
    high: NDArray[np.int64] | None
    """Ends of each interval, both in it; None where the map knows none."""
    expected: NDArray[np.float64]
    """What ranks rows finest: the mean of a star head's distribution, 1..10, else P(positive)."""

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "Rated":
        low, high = (None if ends is None else ends[rows] for ends in (self.low, self.high))
        return Rated(self.values[rows], low, high, self.expected[rows])


def rate_rows(
    rating_map: RatingMap,
    positive_probability: NDArray[np.float64],
    star_logits: NDArray[np.float64] | None,
) -> Rated:
    """Each row as `rating_map.rate` rates it.

    Args:
        positive_probability: shape (rows,), 0..1.
        star_logits: shape (rows, 10), of a model with a star head; else None.

    Raises:
        ValueError: a map of stars without star logits.
    """
    if isinstance(rating_map, ConfidenceMap):
        values = np.maximum(LOWEST, np.rint(HIGHEST * positive_probability)).astype(np.int64)
        return Rated(values, None, None, positive_probability)
    if isinstance(rating_map, ProbabilityMap):
        values = _stepped(rating_map.rating, positive_probability)
        return Rated(values, *map_intervals(rating_map, positive_probability), positive_probability)
    if not isinstance(rating_map, StarRule) or star_logits is None:
        raise ValueError(
            "Rows are rated by confidence, by steps of P, or by a star head's outputs, but the map "
            f"is {rating_map} and there are {'no ' if star_logits is None else ''}star logits. "
            "Export or pull the model again, with its star_head.safetensors."
        )
    shares = star_shares(positive_probability, star_logits)
    values = star_values(rating_map.exact_weight, rating_map.middle, positive_probability, shares)
    low, high = star_intervals(rating_map.interval_mass, values, shares)
    return Rated(values, low, high, shares @ SCALE)


def map_intervals(
    rating_map: ProbabilityMap, positive_probability: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ends of a ProbabilityMap's intervals, two of shape (rows,)."""
    low, high = (
        _stepped(steps, positive_probability) for steps in (rating_map.low, rating_map.high)
    )
    return low, high


def star_shares(
    positive_probability: NDArray[np.float64], star_logits: NDArray[np.float64]
) -> NDArray[np.float64]:
    """P(rating = 1), ..., P(rating = 10) of each row, shape (rows, 10), as star_distribution."""
    halves = (
        (1 - positive_probability, star_logits[:, :BELOW_MIDDLE]),
        (positive_probability, star_logits[:, BELOW_MIDDLE:]),
    )
    return np.concatenate([mass[:, None] * softmax(half, axis=1) for mass, half in halves], axis=1)


def star_values(
    exact_weight: float,
    middle: float,
    positive_probability: NDArray[np.float64],
    shares: NDArray[np.float64],
) -> NDArray[np.int64]:
    """The ratings of a StarRule, shape (rows,)."""
    costs = np.zeros_like(shares)
    # Summed in the rule's own order: another one may break a tie differently.
    for true, share in zip(RATINGS, shares.T, strict=True):
        costs += share[:, None] * np.abs(SCALE - true)
    other_label = (positive_probability > 0.5)[:, None] != (SCALE > BELOW_MIDDLE)
    costs = np.where(other_label, np.inf, costs - exact_weight * shares)
    values = LOWEST + costs.argmin(axis=1)
    near = np.abs(positive_probability - 0.5) < middle
    halves = np.where(positive_probability < 0.5, BELOW_MIDDLE, BELOW_MIDDLE + 1)
    return np.where(near, halves, values)


def star_intervals(
    mass: float, values: NDArray[np.int64], shares: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ends of a StarRule's intervals around `values`, two of shape (rows,)."""
    best_low, best_high = np.full_like(values, LOWEST), np.full_like(values, HIGHEST)
    best_mass = np.full(len(values), -1.0)
    # From the shortest on; of equally short ones the one with most mass, then the lowest.
    found = np.zeros(len(values), dtype=bool)
    masses = {low: _masses_from(low, shares) for low in RATINGS}
    for length in range(HIGHEST):
        better = np.zeros(len(values), dtype=bool)
        for low in range(LOWEST, HIGHEST - length + 1):
            high, held = low + length, masses[low][length]
            fits = ~found & (low <= values) & (values <= high) & (held >= mass)
            chosen = fits & (held > best_mass)
            best_low[chosen], best_high[chosen] = low, high
            best_mass[chosen] = held[chosen]
            better |= fits
        found |= better
    return best_low, best_high


def _masses_from(low: int, shares: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The mass of the intervals that begin at `low`, the shortest first."""
    return list(np.cumsum(shares[:, low - LOWEST :], axis=1).T)


def _stepped(steps: Sequence[float], probability: NDArray[np.float64]) -> NDArray[np.int64]:
    """1, and one more for each of the steps that a probability reaches."""
    return LOWEST + np.searchsorted(np.asarray(steps), probability, side="right").astype(np.int64)
