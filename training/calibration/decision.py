"""What both kinds of rating share in their fitting: rows, middle of the scale, interval."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from classifier.messages import message
from training.calibration.errors import CalibrationError
from training.evaluation.rating_measures import Cells

MIDDLES = tuple(hundredths / 100 for hundredths in range(1, 11))
MIDDLE_COST = 0.005  # of mean absolute error, in rating points
HALVINGS = 24
LEAST_ROWS = 20  # with stars


def rows_with_stars(cells: Cells) -> NDArray[np.bool_]:
    """Which rows a rating can be fitted on, shape (rows,).

    Raises:
        CalibrationError: fewer than LEAST_ROWS have stars.
    """
    if (count := int(cells.known.sum())) < LEAST_ROWS:
        raise CalibrationError(
            message(
                "Ratings are fitted on {least_rows} rows with stars or more, but there are "
                "{count}. Give more, or rate by confidence: --rating none.",
                least_rows=LEAST_ROWS,
                count=count,
            )
        )
    return cells.known


def widest_middle(error_of: Callable[[float], float], *, without: float) -> float:
    """How far from a half P(positive) may be for a rating of 5 or 6: 0.01 .. 0.1.

    Reviews without 5 and 6 stars teach no middle. But where P is a half, the truth lies below 5 as
    often as above 6, and every rating from 4 to 7 is equally far from it on average. So the band is
    the widest that costs next to nothing, and never empty: a review that the model cannot tell
    apart gets a rating that says so.

    Args:
        error_of: the mean absolute error with a band so wide.
        without: the same without a band.
    """
    affordable = [middle for middle in MIDDLES if error_of(middle) <= without + MIDDLE_COST]
    return max(affordable, default=MIDDLES[0])


def covering_mass(coverage_of: Callable[[float], float], wanted: float) -> float:
    """The mass, 0..1, whose intervals cover nearest to `wanted` of the stars, found by bisection.

    Args:
        coverage_of: the share of the stars that intervals of a mass cover; rises with it.
        wanted: 0..1.
    """
    low, high = 0.0, 1.0
    if coverage_of(low) >= wanted:
        return low
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if coverage_of(middle) < wanted:
            low = middle
        else:
            high = middle
    return min((high, low), key=lambda mass: abs(coverage_of(mass) - wanted))
