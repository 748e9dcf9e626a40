"""The rule of a star head, fitted on rows whose truth is known and measured on fresh ones."""

import numpy as np
import pytest

from tests.training.calibration.synthetic import rows
from training.calibration.errors import CalibrationError
from training.calibration.star_rule import fit_star_rule, fit_star_temperature
from training.evaluation.rated import rate_rows
from training.evaluation.rating_measures import Cells, rating_measures


@pytest.mark.parametrize("scale", ["film", "ten", "five"])
def test_the_temperature_of_the_stars_is_found(scale: str) -> None:
    known = rows(8_000, seed=0, star_sure=2.5, scale=scale)  # type: ignore[arg-type]
    found = fit_star_temperature(known.positive_probability, known.star_logits, known.cells)
    assert found == pytest.approx(2.5, rel=0.06)


def test_intervals_cover_eighty_of_a_hundred_fresh_rows_also_of_a_head_that_is_too_sure() -> None:
    for sure in (1.0, 2.0):
        known, fresh = (rows(n, seed=n, star_sure=sure) for n in (2_500, 20_000))
        rule = fit_star_rule(known.positive_probability, known.star_logits, known.cells)
        rated = rate_rows(rule, fresh.positive_probability, fresh.star_logits)
        assert 0.78 <= rating_measures(rated, fresh.cells)["rating_coverage"] <= 0.82


def test_another_coverage_may_be_asked_for() -> None:
    known = rows(4_000, seed=0)
    arguments = known.positive_probability, known.star_logits, known.cells
    found = [
        rating_measures(
            rate_rows(fit_star_rule(*arguments, interval=wanted), *arguments[:2]), known.cells
        )
        for wanted in (0.6, 0.9)
    ]
    assert [part["rating_coverage"] for part in found] == pytest.approx([0.6, 0.9], abs=0.01)
    assert found[0]["rating_width"] < found[1]["rating_width"]


def test_the_rule_is_better_than_confidence_and_has_a_middle() -> None:
    known, fresh = (rows(n, seed=n) for n in (2_500, 20_000))
    rule = fit_star_rule(known.positive_probability, known.star_logits, known.cells)
    rated = rate_rows(rule, fresh.positive_probability, fresh.star_logits)
    confidence = np.maximum(1, np.rint(10 * fresh.positive_probability)).astype(int)
    measures = rating_measures(rated, fresh.cells)
    assert measures["rating_mae"] < fresh.cells.distance(confidence).mean() - 0.1
    assert 0.01 <= rule.middle <= 0.1
    assert set(np.unique(rated.values)) == set(range(1, 11))


def test_rows_without_stars_change_nothing() -> None:
    known = rows(600, seed=0)
    low = np.concatenate([known.cells.low, np.zeros(600, dtype=int)])
    more = Cells(low, low)
    probability = np.tile(known.positive_probability, 2)
    logits = np.tile(known.star_logits, (2, 1))
    assert fit_star_rule(probability, logits, more) == fit_star_rule(
        known.positive_probability, known.star_logits, known.cells
    )


def test_a_handful_of_stars_is_refused() -> None:
    known = rows(19, seed=0)
    arguments = known.positive_probability, known.star_logits, known.cells
    for fit in (fit_star_rule, fit_star_temperature):
        with pytest.raises(CalibrationError, match="20 rows with stars or more, but there are 19"):
            fit(*arguments)
