"""Rating many rows at once gives each row what the rating of one gives it."""

import numpy as np
import pytest

from classifier.ratings import ConfidenceMap, ProbabilityMap, RatingMap, StarRule, star_distribution
from training.evaluation.rated import rate_rows, star_shares

ROWS = 400
GENERATOR = np.random.default_rng(0)
PROBABILITIES = np.concatenate(
    [GENERATOR.beta(0.3, 0.3, size=ROWS - 6), [0.0, 0.05, 0.25, 0.45, 0.5, 1.0]]
)
STAR_LOGITS = GENERATOR.normal(0, 3, size=(ROWS, 10))
STAR_LOGITS[-20:] = 0.0  # all alike: ties
STEPS = ProbabilityMap(
    rating=(0.05, 0.1, 0.2, 0.45, 0.5, 0.55, 0.8, 0.9, 0.95),
    low=(0.1, 0.2, 0.45, 0.5, 0.55, 0.8, 0.9, 0.95, 2.0),
    high=(0.0, 0.05, 0.1, 0.2, 0.45, 0.5, 0.55, 0.8, 0.9),
)
RULES = [
    StarRule(exact_weight=weight, middle=middle, interval_mass=mass)
    for weight, middle, mass in (
        *((0.0, 0.0, 0.8), (1.0, 0.05, 0.7), (9.0, 0.1, 0.5)),
        *((0.5, 0.5, 0.95), (0.5, 0.02, 0.0), (0.5, 0.02, 1.0)),
    )
]


@pytest.mark.parametrize("rating_map", [ConfidenceMap(), STEPS, *RULES], ids=str)
def test_each_row_is_rated_as_alone(rating_map: RatingMap) -> None:
    rated = rate_rows(rating_map, PROBABILITIES, STAR_LOGITS)
    for row, (probability, logits) in enumerate(zip(PROBABILITIES, STAR_LOGITS, strict=True)):
        alone = rating_map.rate(float(probability), logits.tolist())
        ends = (None, None)
        if rated.low is not None and rated.high is not None:
            ends = (rated.low[row], rated.high[row])
        assert (rated.values[row], *ends) == (alone.value, alone.low, alone.high), row


def test_the_shares_are_those_of_a_single_row_and_their_mean_is_expected() -> None:
    shares = star_shares(PROBABILITIES, STAR_LOGITS)
    alone = [
        star_distribution(float(probability), logits.tolist())
        for probability, logits in zip(PROBABILITIES, STAR_LOGITS, strict=True)
    ]
    assert shares == pytest.approx(np.asarray(alone))
    expected = rate_rows(RULES[0], PROBABILITIES, STAR_LOGITS).expected
    assert expected == pytest.approx(np.asarray(alone) @ np.arange(1, 11))


def test_a_map_of_stars_needs_star_logits() -> None:
    with pytest.raises(ValueError, match="no star logits"):
        rate_rows(RULES[0], PROBABILITIES, None)
