"""What a model says of texts: its outputs, and the classification that is made of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Classification:
    """What the model says of one text."""

    label: str
    score: float
    """Softmax probability of `label`, 0..1."""
    positive_probability: float
    """P(POSITIVE), 0..1."""
    rating: int
    """1 (worst) .. 10 (best)."""
    windows: int
    """In how many overlapping windows the text was read."""
    rating_low: int | None = None
    rating_high: int | None = None
    """Ends of the interval, both in it, that holds the rating people would give in 80 % of all
    reviews; None where the model's ratings are its confidence alone."""


@dataclass(frozen=True)
class Outputs:
    """What the model says of texts, before anything is made of it."""

    logits: NDArray[np.float64]
    """Shape (texts, labels)."""
    star_logits: NDArray[np.float64] | None
    """Shape (texts, 10), of a model with a star head."""
    windows: list[int]
    """In how many overlapping windows each text was read."""
