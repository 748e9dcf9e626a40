"""Whether ratings lately differ from those before, more than chance would have it.

Pearson's chi-squared test on the counts of the ratings; as it calls any difference significant
where there are enough ratings, the difference must also have a size (Cramér's V).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from classifier.models import Prediction
from classifier.ratings import HIGHEST, LOWEST

NOW = timedelta(days=7)
REFERENCE = timedelta(days=28)  # before those
LEAST = 50  # ratings on either side; with fewer nothing is said
SIGNIFICANT = 0.01
LARGE = 0.1  # Cramér's V


@dataclass(frozen=True)
class Drift:
    """Counts of the ratings 1..10, now and before, and how they differ."""

    now: Sequence[int]
    reference: Sequence[int]
    p_value: float | None
    """None where there are too few ratings."""
    size: float | None
    """Cramér's V, 0..1."""

    @property
    def found(self) -> bool:
        return (
            self.p_value is not None
            and self.size is not None
            and self.p_value < SIGNIFICANT
            and self.size > LARGE
        )


def drift() -> Drift:
    """Ratings of the last week against those of the four weeks before it."""
    now = timezone.now()
    lately = _counts(now - NOW, now)
    reference = _counts(now - NOW - REFERENCE, now - NOW)
    return compare(lately, reference)


def compare(lately: Sequence[int], reference: Sequence[int]) -> Drift:
    """Two lists of counts, of the ratings 1..10 each."""
    total = sum(lately) + sum(reference)
    if min(sum(lately), sum(reference)) < LEAST:
        return Drift(lately, reference, None, None)
    columns = [sum(pair) for pair in zip(lately, reference, strict=True)]
    used = [place for place, count in enumerate(columns) if count]
    statistic = sum(
        (counts[place] - expected) ** 2 / expected
        for counts in (lately, reference)
        for place in used
        for expected in [sum(counts) * columns[place] / total]
    )
    if len(used) < 2:
        return Drift(lately, reference, 1.0, 0.0)
    from scipy.special import chdtrc  # 25 MB, for those who look at this page alone

    return Drift(
        lately, reference, float(chdtrc(len(used) - 1, statistic)), math.sqrt(statistic / total)
    )


def _counts(begin: datetime, end: datetime) -> list[int]:
    found = dict(
        Prediction.objects.filter(created_at__gte=begin, created_at__lt=end)
        .order_by()
        .values_list("rating")
        .annotate(Count("pk"))
    )
    return [found.get(rating, 0) for rating in range(LOWEST, HIGHEST + 1)]
