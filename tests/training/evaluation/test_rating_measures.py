import numpy as np
import pandas as pd
import pytest

from training.evaluation.rated import Rated
from training.evaluation.rating_measures import RATING_MEASURES, Cells, cells_of, rating_measures


def cells(*pairs: tuple[int, int]) -> Cells:
    low, high = np.asarray(pairs).T
    return Cells(low, high)


def rated(*values: int, low: int | None = None, high: int | None = None) -> Rated:
    ratings = np.asarray(values)
    lows, highs = (None if end is None else np.full(len(values), end) for end in (low, high))
    return Rated(ratings, lows, highs, ratings.astype(float))


def test_measures_by_hand() -> None:
    stars = cells((1, 1), (4, 4), (7, 8), (10, 10), (0, 0))
    found = rating_measures(rated(2, 4, 10, 9, 1, low=3, high=9), stars)
    assert found == {
        "rating_rows": 4,
        "rating_mae": (1 + 0 + 2 + 1) / 4,
        "rating_exact": 1 / 4,
        "rating_within_one": 3 / 4,
        "rating_spearman": pytest.approx(0.8),
        "rating_coverage": (0 + 1 + 1 + 0) / 4,
        "rating_width": 7,
    }
    assert set(RATING_MEASURES) <= set(found)


def test_a_cell_of_two_is_half_covered_and_half_above() -> None:
    stars = cells((5, 6), (5, 6), (5, 6))
    assert stars.within(np.array([6, 5, 7]), np.array([9, 6, 8])).tolist() == [0.5, 1, 0]
    assert [stars.above(rating)[0] for rating in (4, 5, 6)] == [1, 0.5, 0]
    assert stars.distance(np.array([4, 6, 10])).tolist() == [1, 0, 4]


def test_without_intervals_stars_or_differences_there_are_fewer_measures() -> None:
    assert rating_measures(rated(3, 4), cells((0, 0), (0, 0))) == {}
    found = rating_measures(rated(3, 3), cells((3, 3), (4, 4)))
    assert set(found) == {"rating_rows", "rating_mae", "rating_exact", "rating_within_one"}


def test_a_frame_may_have_no_stars() -> None:
    assert not cells_of(pd.DataFrame({"text": ["fine", "dull"]})).known.any()
    frame = pd.DataFrame({"text": ["fine", "dull"], "star_low": [7, 0], "star_high": [8, 0]})
    assert cells_of(frame).known.tolist() == [True, False]
