"""A calibration as a whole: what is fitted to which model, and measured without flattering it."""

from dataclasses import replace

import numpy as np
import pytest

from classifier.ratings import ConfidenceMap, ProbabilityMap, StarRule
from tests.training.calibration.synthetic import rows
from training.calibration.errors import CalibrationError
from training.calibration.fitting import (
    Calibration,
    Observed,
    cross_measured,
    fit,
    kind_of_rating,
    measured,
    require_rows,
)
from training.evaluation.rating_measures import Cells


def observed(count: int, *, seed: int = 0, sure: float = 2.0, stars: bool = True) -> Observed:
    drawn = rows(count, seed=seed, sure=sure, star_sure=2.0)
    star_logits = drawn.star_logits if stars else None
    return Observed(drawn.logits, star_logits, drawn.label_ids, drawn.cells, positive=1)


@pytest.mark.parametrize("stars", [True, False])
def test_a_model_that_is_too_sure_is_mended_on_fresh_rows(stars: bool) -> None:
    known, fresh = (observed(n, seed=n, stars=stars) for n in (2_500, 20_000))
    kind = kind_of_rating(known)
    before = measured(Calibration(), fresh)
    after = measured(fit(known, kind), fresh)
    assert before["calibration_error"] > 0.04
    assert after["calibration_error"] < 0.015
    assert after["log_loss"] < before["log_loss"]
    assert after["rating_mae"] < before["rating_mae"]
    assert 0.78 <= after["rating_coverage"] <= 0.82
    assert "rating_coverage" not in before


@pytest.mark.parametrize("stars", [True, False])
def test_measures_across_folds_are_those_of_fresh_rows(stars: bool) -> None:
    known, fresh = (observed(n, seed=n, stars=stars) for n in (2_500, 20_000))
    kind = kind_of_rating(known)
    crossed, fresh_measures = cross_measured(known, kind), measured(fit(known, kind), fresh)
    assert crossed["rating_rows"] == 2_500
    for key in ("log_loss", "rating_exact", "rating_coverage", "rating_spearman"):
        assert crossed[key] == pytest.approx(fresh_measures[key], abs=0.03)
    assert crossed["rating_mae"] == pytest.approx(fresh_measures["rating_mae"], abs=0.1)


def test_the_star_head_is_taken_where_there_is_one() -> None:
    known = observed(500)
    assert isinstance(fit(known, kind_of_rating(known)).rating_map, StarRule)
    without = observed(500, stars=False)
    assert isinstance(fit(without, kind_of_rating(without)).rating_map, ProbabilityMap)


def test_without_stars_sentiments_or_the_wish_only_a_temperature_is_fitted() -> None:
    known = observed(500)
    none = np.zeros(500, dtype=np.int64)
    for some, wanted in (
        (replace(known, cells=Cells(none, none)), "auto"),
        (replace(known, positive=None), "auto"),
        (known, "none"),
    ):
        found = fit(some, kind_of_rating(some, wanted))  # type: ignore[arg-type]
        assert isinstance(found.rating_map, ConfidenceMap)
        assert found.temperature == pytest.approx(2, rel=0.2)
    others = replace(known, positive=None)
    assert set(measured(Calibration(), others)) == {"calibration_error", "log_loss"}
    assert set(cross_measured(others, kind_of_rating(others))) == {"calibration_error", "log_loss"}


def test_rows_of_one_label_or_nearly_are_refused() -> None:
    require_rows(np.array([0] * 5 + [1] * 5))
    with pytest.raises(CalibrationError, match=r"5 rows or more of two labels.*there are 90, 4, 3"):
        require_rows(np.array([0] * 90 + [1] * 4 + [2] * 3))
