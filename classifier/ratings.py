"""From P(positive) to a rating of 1 (worst) to 10 (best)."""

import math

from classifier.labels import NEGATIVE, POSITIVE

LOWEST = 1
HIGHEST = 10


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
    if math.isnan(positive_probability) or not 0.0 <= positive_probability <= 1.0:
        raise ValueError(
            f"A probability lies in 0..1, but P(positive) is {positive_probability!r}. "
            "The model's output is broken: check it with manage.py evaluate."
        )
    return max(LOWEST, round(HIGHEST * positive_probability))


def label_of(rating: int) -> str:
    """The label that goes with a person's rating: POSITIVE above the middle of the scale."""
    return POSITIVE if 2 * rating > LOWEST + HIGHEST else NEGATIVE
