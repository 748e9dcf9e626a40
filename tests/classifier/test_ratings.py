import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.ratings import HIGHEST, LOWEST, confidence_rating

probabilities = st.floats(min_value=0, max_value=1)


@pytest.mark.parametrize(
    ("positive_probability", "rating"),
    [
        (0, 1),
        (0.04, 1),
        (0.05, 1),
        (0.06, 1),
        (0.15, 2),
        (0.5, 5),
        (0.78, 8),
        (0.949, 9),
        (0.95, 10),
        (1, 10),
    ],
)
def test_the_rating_is_ten_times_the_probability_rounded(
    positive_probability: float, rating: int
) -> None:
    assert confidence_rating(positive_probability) == rating


@pytest.mark.parametrize("value", [math.nan, -0.1, 1.1, math.inf, -math.inf])
def test_what_is_no_probability_is_refused_by_its_value(value: float) -> None:
    with pytest.raises(ValueError, match=r"A probability lies in 0\.\.1") as refused:
        confidence_rating(value)

    assert repr(value) in str(refused.value)


@given(probabilities, probabilities)
def test_a_higher_probability_never_lowers_the_rating(one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert confidence_rating(low) <= confidence_rating(high)


@given(probabilities)
def test_every_probability_has_a_whole_rating_from_1_to_10(probability: float) -> None:
    rating = confidence_rating(probability)

    assert isinstance(rating, int)
    assert LOWEST <= rating <= HIGHEST
