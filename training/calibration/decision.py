"""What both kinds of rating share in their fitting: the middle of the scale, and the interval."""

from collections.abc import Callable

MIDDLES = tuple(hundredths / 100 for hundredths in range(1, 11))
MIDDLE_COST = 0.005  # of mean absolute error, in rating points
HALVINGS = 24


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
