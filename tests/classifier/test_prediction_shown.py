import pytest

from classifier.models import Prediction
from classifier.prediction_shown import INSET, PITCH, WIDTH, ShownPrediction, ShownRatings


def shown(**values: object) -> ShownPrediction:
    given = {"label": "POSITIVE", "score": 0.9, "positive_probability": 0.9, "rating": 9}
    return ShownPrediction(Prediction(**(given | values)))


@pytest.mark.parametrize(("rating", "x"), [(1, 15), (5, 135), (10, 285)])
def test_a_rating_stands_in_the_middle_of_its_place(rating: int, x: int) -> None:
    assert shown(rating=rating).x == x


@pytest.mark.parametrize(
    ("low", "high", "band"),
    [
        (1, 10, (INSET, WIDTH - 2 * INSET)),
        (4, 4, (3 * PITCH + INSET, PITCH - 2 * INSET)),
        (None, None, None),
    ],
)
def test_the_band_covers_the_places_of_the_interval(
    low: int | None, high: int | None, band: tuple[int, int] | None
) -> None:
    assert shown(rating_low=low, rating_high=high).band == band


@pytest.mark.parametrize(
    ("probability", "lean"),
    [(0.0, (0, 150, 0)), (0.5, (150, 0, 150)), (0.8, (150, 90, 240)), (1.0, (150, 150, 300))],
)
def test_the_bar_leans_from_the_middle_to_the_probability(
    probability: float, lean: tuple[int, int, int]
) -> None:
    assert shown(positive_probability=probability).lean == lean


@pytest.mark.parametrize(("score", "sure"), [(0.5, 50.0), (0.8437, 84.4), (0.99999, 99.9)])
def test_no_model_is_wholly_sure(score: float, sure: float) -> None:
    assert shown(score=score).sure == sure


def test_the_columns_of_a_list_count_its_ratings() -> None:
    ratings = ShownRatings(
        [
            shown(rating=rating, label=label)
            for rating, label in ((2, "NEGATIVE"), (9, "POSITIVE"), (9, "POSITIVE"))
        ]
    )

    assert ratings.positive == 2
    assert round(ratings.mean, 2) == 6.67
    assert [(place.rating, count, height) for place, count, height in ratings.columns if count] == [
        (2, 1, 24),
        (9, 2, 48),
    ]
