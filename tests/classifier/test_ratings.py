import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.labels import NEGATIVE, POSITIVE
from classifier.ratings import (
    BELOW_MIDDLE,
    HIGHEST,
    LOWEST,
    RATINGS,
    ConfidenceMap,
    ProbabilityMap,
    Rating,
    StarRule,
    confidence_rating,
    label_of,
    star_distribution,
)

probabilities = st.floats(min_value=0, max_value=1)
# As far apart as a float32 of a model's may be.
star_logits = st.lists(st.floats(min_value=-1e3, max_value=1e3), min_size=10, max_size=10)
star_rules = st.builds(
    StarRule,
    exact_weight=st.floats(min_value=0, max_value=20),
    middle=st.floats(min_value=0, max_value=0.5),
    interval_mass=st.floats(min_value=0, max_value=1),
)
nine = st.lists(probabilities, min_size=9, max_size=9).map(sorted)
EVEN = [0.0] * 10


@st.composite
def probability_maps(draw: st.DrawFn) -> ProbabilityMap:
    """Any thresholds, put in order at each step so that the interval holds the rating."""
    steps = [sorted(step) for step in zip(draw(nine), draw(nine), draw(nine), strict=True)]
    high, rating, low = zip(*steps, strict=True)
    return ProbabilityMap(rating=rating, low=low, high=high)


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


def test_the_confidence_alone_has_no_interval() -> None:
    assert ConfidenceMap().rate(0.78, None) == Rating(8, None, None)


EVENLY = tuple(step / 10 for step in range(1, 10))


def test_a_map_of_probabilities_counts_the_thresholds_that_are_reached() -> None:
    earlier, later = tuple(s - 0.05 for s in EVENLY), tuple(s + 0.15 for s in EVENLY)
    steps = ProbabilityMap(rating=EVENLY, low=later, high=earlier)

    assert steps.rate(0.0, None) == Rating(1, 1, 1)
    assert steps.rate(0.5, None) == Rating(6, 4, 6)
    assert steps.rate(0.49, None) == Rating(5, 4, 6)
    assert steps.rate(1.0, None) == Rating(10, 9, 10)


@given(probability_maps(), probabilities, probabilities)
def test_a_map_of_probabilities_rises_with_them(
    steps: ProbabilityMap, one: float, other: float
) -> None:
    low, high = sorted((one, other))
    below, above = steps.rate(low, None), steps.rate(high, None)

    assert below.value <= above.value
    assert (below.low or 0) <= (above.low or 0)
    assert (below.high or 0) <= (above.high or 0)


@given(probability_maps(), probabilities)
def test_the_rating_of_a_map_is_on_the_scale_and_in_its_interval(
    steps: ProbabilityMap, probability: float
) -> None:
    assert_within(steps.rate(probability, EVEN))


def assert_within(rated: Rating) -> None:
    assert rated.low is not None
    assert rated.high is not None
    assert LOWEST <= rated.low <= rated.value <= rated.high <= HIGHEST


@pytest.mark.parametrize(
    "rows",
    [
        {"rating": EVENLY[:8]},
        {"rating": (*EVENLY[:8], 0.1)},
        {"rating": (*EVENLY[:8], math.nan)},
        {"low": tuple(step - 0.01 for step in EVENLY)},
        {"high": tuple(step + 0.01 for step in EVENLY)},
    ],
)
def test_a_map_of_other_thresholds_is_refused(rows: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ValueError, match=r"Fit it again: manage\.py calibrate"):
        ProbabilityMap(**{"rating": EVENLY, "low": EVENLY, "high": EVENLY} | rows)


@given(probabilities, star_logits)
def test_the_shares_of_the_ratings_sum_to_one_and_each_half_to_its_label(
    positive: float, logits: list[float]
) -> None:
    shares = star_distribution(positive, logits)

    assert len(shares) == len(RATINGS)
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1)
    assert sum(shares[:BELOW_MIDDLE]) == pytest.approx(1 - positive)
    assert sum(shares[BELOW_MIDDLE:]) == pytest.approx(positive)


@given(star_rules, probabilities, star_logits)
def test_the_rating_of_stars_is_on_the_scale_and_in_its_interval(
    rule: StarRule, positive: float, logits: list[float]
) -> None:
    assert_within(rule.rate(positive, logits))


@given(star_rules, probabilities.filter(lambda p: p != 0.5), star_logits)
def test_the_rating_never_contradicts_the_label(
    rule: StarRule, positive: float, logits: list[float]
) -> None:
    rated = rule.rate(positive, logits)

    assert label_of(rated.value) == (POSITIVE if positive > 0.5 else NEGATIVE)


@given(probabilities, star_logits)
def test_without_a_weight_on_the_exact_one_the_rating_is_the_median(
    positive: float, logits: list[float]
) -> None:
    shares = star_distribution(positive, logits)

    value = StarRule(exact_weight=0, middle=0, interval_mass=0.8).rate(positive, logits).value

    assert sum(shares[: value - 1]) <= 0.5 + 1e-9
    assert sum(shares[value:]) <= 0.5 + 1e-9


@given(probabilities, star_logits)
def test_with_all_weight_on_the_exact_one_the_rating_is_the_likeliest_of_the_label(
    positive: float, logits: list[float]
) -> None:
    shares = star_distribution(positive, logits)

    value = StarRule(exact_weight=1e9, middle=0, interval_mass=0.8).rate(positive, logits).value

    of_label = shares[:5] if positive <= 0.5 else shares[5:]
    assert shares[value - 1] == pytest.approx(max(of_label), abs=1e-7)


@given(star_rules, star_logits, st.floats(-1, 1))
def test_within_the_middle_the_rating_is_in_the_middle_of_the_scale(
    rule: StarRule, logits: list[float], place: float
) -> None:
    positive = 0.5 + place * rule.middle
    if abs(positive - 0.5) < rule.middle:
        value = rule.rate(positive, logits).value

        assert value == (5 if positive < 0.5 else 6)


@given(star_rules, probabilities, star_logits)
def test_the_interval_is_the_shortest_that_holds_the_rating_and_the_mass(
    rule: StarRule, positive: float, logits: list[float]
) -> None:
    shares = star_distribution(positive, logits)
    rated = rule.rate(positive, logits)
    assert rated.low is not None
    assert rated.high is not None
    length = rated.high - rated.low

    assert (rated.low, rated.high) == (1, 10) or sum(
        shares[rated.low - 1 : rated.high]
    ) >= rule.interval_mass - 1e-9
    for low in range(max(LOWEST, rated.value - length + 1), rated.value + 1):
        high = low + length - 1  # one rating shorter
        if rated.value <= high <= HIGHEST:
            assert sum(shares[low - 1 : high]) < rule.interval_mass + 1e-9


@pytest.mark.parametrize("logits", [None, [], EVEN[:9], [*EVEN, 0.0]])
def test_a_rule_of_stars_needs_ten_logits(logits: list[float] | None) -> None:
    with pytest.raises(ValueError, match="Export or pull the model again"):
        StarRule(exact_weight=0, middle=0, interval_mass=0.8).rate(0.7, logits)


@pytest.mark.parametrize(
    "numbers", [(-1, 0, 0.8), (0, 0.6, 0.8), (0, 0, 1.1), (math.nan, 0, 0.8), (0, math.nan, 0.8)]
)
def test_a_rule_of_other_numbers_is_refused(numbers: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match=r"Fit it again: manage\.py calibrate"):
        StarRule(*numbers)


@pytest.mark.parametrize("value", [math.nan, -0.1, 1.1])
def test_no_map_takes_what_is_no_probability(value: float) -> None:
    maps = (
        ConfidenceMap(),
        ProbabilityMap(rating=EVENLY, low=EVENLY, high=EVENLY),
        StarRule(exact_weight=0, middle=0, interval_mass=0.8),
    )
    for each in maps:
        with pytest.raises(ValueError, match=r"A probability lies in 0\.\.1"):
            each.rate(value, EVEN)
