"""What one model, or several together, believe of texts: labels, and ratings within a label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classifier.labels import NEGATIVE, POSITIVE
from classifier.ratings import BELOW_MIDDLE, LOWEST, RATINGS

SENTIMENTS = {
    NEGATIVE: slice(0, BELOW_MIDDLE - LOWEST + 1),
    POSITIVE: slice(BELOW_MIDDLE - LOWEST + 1, len(RATINGS)),
}
"""Which of the ten ratings go with each sentiment."""


@dataclass(frozen=True)
class Beliefs:
    names: tuple[str, ...]
    """Of the labels."""
    labels: NDArray[np.float64]
    """Shape (texts, labels), each row summing to 1."""
    shares: NDArray[np.float64] | None
    """Shape (texts, 10): P(rating | NEGATIVE) of the lower five ratings, which sum to 1, and
    P(rating | POSITIVE) of the upper five; None where nothing is known of ratings."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def stars(self) -> NDArray[np.float64] | None:
        """Shape (texts, 10): P(rating = 1) .. P(rating = 10), each row summing to 1.

        As classifier.ratings.star_distribution has them: the five of a sentiment share its
        probability.
        """
        if self.shares is None:
            return None
        stars = self.shares.copy()
        for name, ratings in SENTIMENTS.items():
            stars[:, ratings] *= self.labels[:, [self.names.index(name)]]
        return stars

    def rows(self, chosen: Any) -> Self:
        """Of those texts alone; `chosen` is any index of numpy's."""
        shares = None if self.shares is None else self.shares[chosen]
        return type(self)(self.names, self.labels[chosen], shares)

    def in_order(self, names: Sequence[str]) -> Self:
        """With the same labels in another order."""
        columns = [self.names.index(name) for name in names]
        return type(self)(tuple(names), self.labels[:, columns], self.shares)


def concatenated(parts: Sequence[Beliefs]) -> Beliefs:
    """One after the other; shares are known where all parts know them."""
    shares = [part.shares for part in parts if part.shares is not None]
    return Beliefs(
        parts[0].names,
        np.concatenate([part.labels for part in parts]),
        np.concatenate(shares) if len(shares) == len(parts) else None,
    )
