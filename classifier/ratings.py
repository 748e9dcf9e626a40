"""From what a model says of a text to a rating of 1 (worst) to 10 (best).

Three ways, all pure functions of the standard library: the model's confidence; a step map of its
P(positive), fitted on reviews that carry stars; and a decision over a distribution on the ratings,
for a model that has a star head. Which one a model is served with, its rating.json says.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

from classifier.labels import NEGATIVE, POSITIVE

LOWEST = 1
HIGHEST = 10
RATINGS = range(LOWEST, HIGHEST + 1)
BELOW_MIDDLE = (LOWEST + HIGHEST) // 2  # 5, the highest rating of a negative review


@dataclass(frozen=True)
class Rating:
    """A rating and, where the way it is made knows, how wide of it the truth may lie."""

    value: int
    """1 (worst) .. 10 (best)."""
    low: int | None = None
    high: int | None = None
    """Ends of the interval, both in it and `value` between them, that holds the rating people
    would give in 80 % of all reviews; None for the confidence alone."""


class Sentiment(NamedTuple):
    """What a model of the two sentiments says of a text beside the label."""

    positive_probability: float
    """P(POSITIVE), 0..1."""
    rating: int
    """1 (worst) .. 10 (best)."""


def sentiment_of(positive_probability: float | None, rating: int | None) -> Sentiment:
    """Both, of an answer that has them.

    Raises:
        ValueError: it has not, being of a model with other labels.
    """
    if positive_probability is None or rating is None:
        raise ValueError("A model with other labels gives neither P(POSITIVE) nor a rating.")
    return Sentiment(positive_probability, rating)


class RatingMap(Protocol):
    """One way to make a rating."""

    def rate(self, positive_probability: float, star_logits: Sequence[float] | None) -> Rating:
        """The rating of one text.

        Args:
            positive_probability: P(positive), 0..1.
            star_logits: ten, one a rating, of a model with a star head; else None.

        Raises:
            ValueError: `positive_probability` is NaN or outside 0..1, or the logits are needed
                and not there.
        """
        ...


def confidence_rating(positive_probability: float) -> int:
    """The model's confidence as a rating: max(1, round(10 * P(positive))).

    Halves go to the even neighbour, as Python rounds: 0.15 and 0.25 both give 2.

    Args:
        positive_probability: P(positive), 0..1.

    Returns:
        The rating, 1..10.

    Raises:
        ValueError: `positive_probability` is NaN or outside 0..1.
    """
    _require_probability(positive_probability)
    return max(LOWEST, round(HIGHEST * positive_probability))


@dataclass(frozen=True)
class ConfidenceMap:
    """The mission's own rating: what the model's confidence alone says."""

    def rate(self, positive_probability: float, star_logits: Sequence[float] | None) -> Rating:
        return Rating(confidence_rating(positive_probability))


@dataclass(frozen=True)
class ProbabilityMap:
    """Steps of P(positive): the rating is 1 and one more for each threshold that P reaches.

    So are the ends of the interval. All three rise with P, whatever the thresholds are.
    """

    rating: tuple[float, ...]
    """Nine thresholds of P, rising: where the rating becomes 2, 3, ... 10."""
    low: tuple[float, ...]
    high: tuple[float, ...]
    """The same for the ends of the interval; low reaches each step no earlier than the rating,
    high no later."""

    def __post_init__(self) -> None:
        for name in ("rating", "low", "high"):
            steps = getattr(self, name)
            if len(steps) != HIGHEST - LOWEST or any(
                not after >= before for before, after in pairwise(steps)
            ):
                raise ValueError(
                    f"A map has {HIGHEST - LOWEST} thresholds that rise, but {name} is "
                    f"{list(steps)}. Fit it again: manage.py calibrate."
                )
        if any(
            not high <= rating <= low
            for high, rating, low in zip(self.high, self.rating, self.low, strict=True)
        ):
            raise ValueError(
                "The interval must hold the rating, but its ends cross it: high "
                f"{list(self.high)}, rating {list(self.rating)}, low {list(self.low)}. "
                "Fit it again: manage.py calibrate."
            )

    def rate(self, positive_probability: float, star_logits: Sequence[float] | None) -> Rating:
        _require_probability(positive_probability)
        value, low, high = (
            LOWEST + sum(positive_probability >= step for step in steps)
            for steps in (self.rating, self.low, self.high)
        )
        return Rating(value, low, high)


@dataclass(frozen=True)
class StarRule:
    """A decision over P(rating = 1), ..., P(rating = 10), as star_distribution gives them.

    The rating is the r that loses least: the expected distance to the true one, less
    `exact_weight` times the probability that r is right, among the five that go with the label.
    With 0 that is the median, with much the likeliest of them. Where P(positive) is within
    `middle` of a half, it is 5 or 6: data without such ratings teach a model no middle, and a
    review that it cannot tell apart has one.
    """

    exact_weight: float
    """0 or more, in rating points."""
    middle: float
    """0 .. 0.5, in probability."""
    interval_mass: float
    """0 .. 1: the interval is the shortest that holds the rating and so much probability."""

    def __post_init__(self) -> None:
        if not (
            self.exact_weight >= 0 and 0 <= self.middle <= 0.5 and 0 <= self.interval_mass <= 1
        ):
            raise ValueError(
                "A star rule has exact_weight >= 0, middle in 0..0.5 and interval_mass in 0..1, "
                f"but it is {self}. Fit it again: manage.py calibrate."
            )

    def rate(self, positive_probability: float, star_logits: Sequence[float] | None) -> Rating:
        if star_logits is None:
            raise ValueError(
                "This rating is made of a star head's outputs, but the model gave none. "
                "Export or pull the model again, with its star_head.safetensors."
            )
        shares = star_distribution(positive_probability, star_logits)
        value = self._value(positive_probability, shares)
        low, high = self._interval(value, shares)
        return Rating(value, low, high)

    def _value(self, positive_probability: float, shares: Sequence[float]) -> int:
        if abs(positive_probability - 0.5) < self.middle:
            return BELOW_MIDDLE if positive_probability < 0.5 else BELOW_MIDDLE + 1
        half = slice(BELOW_MIDDLE) if positive_probability <= 0.5 else slice(BELOW_MIDDLE, None)
        return min(
            RATINGS[half],
            key=lambda rating: (
                sum(share * abs(rating - true) for true, share in zip(RATINGS, shares, strict=True))
                - self.exact_weight * shares[rating - LOWEST]
            ),
        )

    def _interval(self, value: int, shares: Sequence[float]) -> tuple[int, int]:
        best, best_key = (LOWEST, HIGHEST), (float(len(shares)), -1.0)
        for low in range(LOWEST, value + 1):
            mass = sum(shares[low - LOWEST : value - LOWEST])
            for high in range(value, HIGHEST + 1):
                mass += shares[high - LOWEST]
                if mass >= self.interval_mass:
                    if (key := (float(high - low), -mass)) < best_key:
                        best, best_key = (low, high), key
                    break  # a longer one from here is never better
        return best


def star_distribution(positive_probability: float, star_logits: Sequence[float]) -> list[float]:
    """P(rating = 1), ..., P(rating = 10), summing to 1.

    The five of a negative review share P(negative) by the softmax of their logits, the five of
    a positive one P(positive): so a rating never contradicts the label, and a probability that is
    calibrated later carries the ratings along.

    Args:
        positive_probability: P(positive), 0..1.
        star_logits: ten, one a rating, finite.

    Raises:
        ValueError: `positive_probability` is NaN or outside 0..1, or there are not ten logits.
    """
    _require_probability(positive_probability)
    if len(star_logits) != len(RATINGS):
        raise ValueError(
            f"A star head has {len(RATINGS)} outputs, but this one gave {len(star_logits)}. "
            "Export or pull the model again."
        )
    return [
        mass * share
        for mass, half in (
            (1 - positive_probability, star_logits[:BELOW_MIDDLE]),
            (positive_probability, star_logits[BELOW_MIDDLE:]),
        )
        for share in _softmax(half)
    ]


def label_of(rating: int) -> str:
    """The label that goes with a person's rating: POSITIVE above the middle of the scale."""
    return POSITIVE if rating > BELOW_MIDDLE else NEGATIVE


def _softmax(logits: Sequence[float]) -> list[float]:
    largest = max(logits)
    exponentials = [math.exp(logit - largest) for logit in logits]
    total = sum(exponentials)
    return [one / total for one in exponentials]


def _require_probability(positive_probability: float) -> None:
    if math.isnan(positive_probability) or not 0.0 <= positive_probability <= 1.0:
        raise ValueError(
            f"A probability lies in 0..1, but P(positive) is {positive_probability!r}. "
            "The model's output is broken: check it with manage.py evaluate."
        )
