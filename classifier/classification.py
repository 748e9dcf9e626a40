"""What a model says of texts: its outputs, and the classification that is made of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.ratings import Sentiment, sentiment_of
from classifier.windows import softmax


@dataclass(frozen=True)
class Classification:
    """What the model says of one text."""

    label: str
    score: float
    """Softmax probability of `label`, 0..1."""
    positive_probability: float | None
    """P(POSITIVE), 0..1; None of a model with other labels, as the rating."""
    rating: int | None
    """1 (worst) .. 10 (best)."""
    windows: int
    """In how many overlapping windows the text was read."""
    rating_low: int | None = None
    rating_high: int | None = None
    """Ends of the interval, both in it, that holds the rating people would give in 80 % of all
    reviews; None where the model's ratings are its confidence alone."""
    labels: tuple[str, ...] = ()
    """Every label that the model tells apart."""
    logits: tuple[float, ...] = ()
    """The model's own output for each of `labels`."""

    @property
    def sentiment(self) -> Sentiment:
        """P(POSITIVE) and rating; ValueError of a model with other labels."""
        return sentiment_of(self.positive_probability, self.rating)

    @property
    def probabilities(self) -> dict[str, float]:
        """Of each label, 0..1, in the order of the model's outputs."""
        return dict(zip(self.labels, softmax(np.array(self.logits)).tolist(), strict=True))


@dataclass(frozen=True)
class Outputs:
    """What the model says of texts, before anything is made of it."""

    logits: NDArray[np.float64]
    """Shape (texts, labels)."""
    star_logits: NDArray[np.float64] | None
    """Shape (texts, 10), of a model with a star head."""
    windows: list[int]
    """In how many overlapping windows each text was read."""
