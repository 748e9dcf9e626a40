"""Two models on the same rows: whether one is right more often by more than chance.

Only the rows on which they differ tell (McNemar, Psychometrika 12, 1947). The interval is that of
Agresti and Min (Statistics in Medicine 24, 2005, 10.1002/sim.1781), which holds for few rows.
"""

import math

Z = 1.959964  # of 95 %


def mcnemar(only_first: int, only_second: int) -> float:
    """Two-sided p of McNemar's exact test.

    Args:
        only_first: rows on which the first alone is right.
        only_second: rows on which the second alone is right.
    """
    differing = only_first + only_second
    if differing == 0:
        return 1.0
    from scipy.special import bdtr  # 25 MB, for those who compare models alone

    return float(min(1.0, 2 * bdtr(min(only_first, only_second), differing, 0.5)))


def difference_interval(only_first: int, only_second: int, rows: int) -> tuple[float, float]:
    """95 % confidence interval of the second's accuracy minus the first's, in -1..1."""
    first, second, total = only_first + 0.5, only_second + 0.5, rows + 2
    middle = (second - first) / total
    half = Z * math.sqrt(first + second - (second - first) ** 2 / total) / total
    return max(-1.0, middle - half), min(1.0, middle + half)
