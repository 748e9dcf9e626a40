"""How often reviewers agree with the model, as far as that can be told of all live traffic.

Whatever is reviewed because it is hard says little of the rest, so only the random share counts,
which is drawn from live traffic alone, and of it those that were reviewed in the order of their
ids up to the first that waits: whoever jumped the queue, such as a complaint, is counted where its
turn would have been.
"""

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import TruncWeek
from django.utils import timezone

from classifier.models import ReviewSkip
from classifier.review.queue import random_share

WEEKS = 8
MOST = 20_000  # predictions of the random share that are looked at; the first of it are random too
Z = 1.959964  # of 95 %


@dataclass(frozen=True)
class Agreement:
    """How often a verdict has the model's label, in a random sample of live traffic."""

    reviewed: int
    agreeing: int
    drawn: int
    """Predictions of the random share, reviewed or not."""

    @property
    def share(self) -> float | None:
        """0..1; None where nothing was reviewed."""
        return self.agreeing / self.reviewed if self.reviewed else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % confidence interval of the share (Wilson 1927)."""
        return wilson(self.agreeing, self.reviewed) if self.reviewed else None


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95 % confidence interval of a share, which stays within 0..1 and holds for few trials.

    E. B. Wilson, Probable inference, JASA 22 (1927).
    """
    share, factor = successes / trials, Z * Z / trials
    middle = (share + factor / 2) / (1 + factor)
    half = Z / (1 + factor) * math.sqrt(share * (1 - share) / trials + factor / (4 * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def agreement_by_week(weeks: int = WEEKS) -> dict[date, Agreement]:
    """One a week in which something was predicted, the oldest first; weeks begin on Monday."""
    since = timezone.now() - timedelta(weeks=weeks)
    rows = (
        random_share()
        .filter(created_at__gte=since)
        .annotate(
            week=TruncWeek("created_at"),
            agrees=Q(verdict__label=F("label")),
            # Nobody is waited for who can or will not judge it.
            left=Q(text=Value(""))
            | Exists(ReviewSkip.objects.filter(prediction_id=OuterRef("pk"))),
        )
        .order_by("pk")
        .values_list("week", "verdict__id", "agrees", "left")[:MOST]
    )
    weekly: dict[date, list[tuple[bool, bool, bool]]] = defaultdict(list)
    for week, verdict, agrees, left in rows.iterator():
        weekly[week.date()].append((verdict is not None, bool(agrees), bool(left)))
    return {week: _agreement(weekly[week]) for week in sorted(weekly)}


def overall(weekly: Iterable[Agreement]) -> Agreement:
    """All weeks together."""
    weekly = list(weekly)
    return Agreement(
        reviewed=sum(each.reviewed for each in weekly),
        agreeing=sum(each.agreeing for each in weekly),
        drawn=sum(each.drawn for each in weekly),
    )


def _agreement(drawn: list[tuple[bool, bool, bool]]) -> Agreement:
    reviewed = agreeing = 0
    for has_verdict, agrees, left in drawn:
        if has_verdict:
            reviewed += 1
            agreeing += agrees
        elif not left:
            break
    return Agreement(reviewed, agreeing, len(drawn))
