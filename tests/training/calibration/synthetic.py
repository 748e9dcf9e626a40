"""Reviews whose truth is known: their stars, and what a model makes of them through a mist."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax

from training.evaluation.rating_measures import Cells

Scale = Literal["film", "ten", "five"]


@dataclass(frozen=True)
class Rows:
    logits: NDArray[np.float64]
    """Shape (rows, 2), NEGATIVE and POSITIVE."""
    star_logits: NDArray[np.float64]
    """Shape (rows, 10)."""
    label_ids: NDArray[np.int64]
    cells: Cells

    @property
    def positive_probability(self) -> NDArray[np.float64]:
        probabilities: NDArray[np.float64] = expit(self.logits[:, 1] - self.logits[:, 0])
        return probabilities


def rows(
    count: int, *, seed: int, sure: float = 1.0, star_sure: float = 1.0, scale: Scale = "film"
) -> Rows:
    """Rows of a model whose probabilities are right, and then raised to the power `sure`.

    Args:
        sure: what its logits are multiplied with; 1 is calibrated.
        star_sure: the same of its star logits.
        scale: of the stars: 1..10 without 5 and 6, as IMDB has them; 1..10; or 1..5.
    """
    generator = np.random.default_rng(seed)
    stars = np.arange(1, 11)
    commonness = np.array([20, 9, 10, 10, 6, 6, 9, 11, 9, 20.0])
    if scale == "film":
        commonness[4:6] = 1e-9
    # The model sees the review through a mist: a star at the distance of 2 or 3 looks alike.
    true = generator.choice(stars, size=count, p=commonness / commonness.sum())
    seen = true + generator.normal(0, 2, size=count)
    joint = np.log(commonness) - (seen[:, None] - stars) ** 2 / (2 * 2**2)
    posterior = np.exp(log_softmax(joint, axis=1))
    positive = posterior[:, 5:].sum(axis=1)
    half = np.log(positive / (1 - positive)) / 2 * sure
    low = high = true
    if scale == "five":
        low, high = (true + 1) // 2 * 2 - 1, (true + 1) // 2 * 2
    return Rows(
        logits=np.stack([-half, half], axis=1),
        star_logits=np.maximum(joint, -60) * star_sure,
        label_ids=(true > 5).astype(np.int64),
        cells=Cells(low, high),
    )
