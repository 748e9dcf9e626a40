"""The steps of P, fitted on rows whose truth is known and measured on fresh ones."""

from itertools import pairwise

import numpy as np
import pytest

from tests.training.calibration.synthetic import Scale, rows
from training.calibration.errors import CalibrationError
from training.calibration.probability_map import fit_probability_map
from training.evaluation.rated import rate_rows
from training.evaluation.rating_measures import rating_measures

SCALES: tuple[Scale, ...] = ("film", "ten", "five")


@pytest.mark.parametrize("scale", SCALES)
def test_intervals_cover_eighty_of_a_hundred_fresh_rows(scale: Scale) -> None:
    known, fresh = (rows(n, seed=n, scale=scale) for n in (2_500, 20_000))
    fitted = fit_probability_map(known.positive_probability, known.cells)
    rated = rate_rows(fitted, fresh.positive_probability, None)
    assert 0.78 <= rating_measures(rated, fresh.cells)["rating_coverage"] <= 0.82


@pytest.mark.parametrize("scale", SCALES)
def test_the_map_is_nearer_to_the_stars_than_confidence(scale: Scale) -> None:
    known, fresh = (rows(n, seed=n, scale=scale) for n in (2_500, 20_000))
    fitted = fit_probability_map(known.positive_probability, known.cells)
    rated = rate_rows(fitted, fresh.positive_probability, None)
    confidence = np.maximum(1, np.rint(10 * fresh.positive_probability)).astype(int)
    error = rating_measures(rated, fresh.cells)["rating_mae"]
    assert error < fresh.cells.distance(confidence).mean() - 0.05


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("count", [60, 2_500])
def test_every_step_rises_and_the_middle_exists(scale: Scale, count: int) -> None:
    for seed in range(5):
        known = rows(count, seed=seed, scale=scale)
        fitted = fit_probability_map(known.positive_probability, known.cells)
        assert all(before <= after for before, after in pairwise(fitted.rating))
        five, six, seven = fitted.rating[3:6]
        assert five < six < seven
        grid = np.linspace(0, 1, 2_001)
        assert {5, 6} <= set(rate_rows(fitted, grid, None).values)


def test_without_fives_and_sixes_the_middle_is_about_a_half_and_goes_with_the_label() -> None:
    known = rows(2_500, seed=0)
    five, six, seven = fit_probability_map(known.positive_probability, known.cells).rating[3:6]
    assert six == 0.5
    assert 0.01 <= seven - six <= 0.1
    assert seven - six == pytest.approx(six - five)


def test_with_fives_and_sixes_the_middle_is_where_they_are() -> None:
    known = rows(5_000, seed=0, scale="five")
    fitted = fit_probability_map(known.positive_probability, known.cells)
    middle = known.cells.low == 5
    rated = rate_rows(fitted, known.positive_probability, None).values
    assert np.isin(rated, (5, 6))[middle].mean() > 2 * np.isin(rated, (5, 6))[~middle].mean()


def test_nothing_but_the_order_of_p_matters_to_the_ratings() -> None:
    known = rows(2_500, seed=0, scale="ten")
    probability = known.positive_probability
    ratings = [
        rate_rows(fit_probability_map(values, known.cells), values, None).values
        for values in (probability, probability**3)
    ]
    assert (ratings[0] == ratings[1]).mean() > 0.98


def test_a_p_that_says_nothing_gives_one_rating_and_not_an_error() -> None:
    known = rows(500, seed=0, scale="ten")
    fitted = fit_probability_map(np.full(500, 0.7), known.cells)
    rated = rate_rows(fitted, np.full(500, 0.7), None)
    assert len(np.unique(rated.values)) == 1


def test_a_handful_of_stars_is_refused() -> None:
    known = rows(19, seed=0)
    with pytest.raises(CalibrationError, match="20 rows with stars or more, but there are 19"):
        fit_probability_map(known.positive_probability, known.cells)
