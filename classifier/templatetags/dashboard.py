"""What the admin's front page shows above its lists."""

from datetime import date, datetime, timedelta
from typing import Any

from django import template
from django.db.models import Count
from django.db.models.functions import TruncDate
from django.utils import timezone

from classifier.languages import number
from classifier.models import ModelVersion, Prediction, Verdict
from classifier.predictor import Predictor, holder
from classifier.ratings import LOWEST
from classifier.review import queue
from classifier.review.drift import Drift, drift
from classifier.review.quality import Agreement, agreement_by_week, overall
from classifier.review.split import learnable
from classifier.versions.history import Service, services

register = template.Library()

DAYS = 14
HEIGHT = 100  # of the charts
TIMELINE = 6  # versions, those that served last
TIMELINE_WIDTH = 300
TIMELINE_LEAST = timedelta(days=7)  # a shorter history is drawn as if it were so long


@register.inclusion_tag("admin/dashboard.html", takes_context=True)
def dashboard(context: dict[str, Any]) -> dict[str, Any]:
    """The figures of the loop, for those who may see predictions; for others nothing."""
    if not context["request"].user.has_perm("classifier.view_prediction"):
        return {"allowed": False}
    weekly = agreement_by_week()
    total = overall(weekly.values())
    days = _days()
    compared = drift()
    predictor = holder.loaded
    return {
        "allowed": True,
        "may_review": context["request"].user.has_perm("classifier.add_verdict"),
        "may_retrain": context["request"].user.has_perm("training.add_trainingrun"),
        "learnable": learnable().count(),
        "waiting": queue.waiting(),
        "days": days,
        "today": days[-1]["count"],
        "most_a_day": max(day["count"] for day in days),
        "verdicts": Verdict.objects.count(),
        "weeks": _weeks(weekly),
        "overall": total,
        "interval": [number(100 * end, ".1f") for end in total.interval or ()],
        "drift": compared,
        "ratings": _ratings(compared),
        "model": predictor,
        "version": _version_of(predictor),
        "candidates": ModelVersion.objects.filter(status=ModelVersion.Status.CANDIDATE).count(),
        "failure": holder.failure,
        "timeline": _timeline(services(), timezone.now()),
    }


def _version_of(predictor: Predictor | None) -> ModelVersion | None:
    if predictor is None:
        return None
    return ModelVersion.objects.filter(name=predictor.name, revision=predictor.revision).first()


def _weeks(weekly: dict[date, Agreement]) -> list[dict[str, Any]]:
    """Of each week its agreement, in percent with its interval."""
    rows = []
    for place, (week, agreement) in enumerate(weekly.items()):
        low, high = agreement.interval or (0.0, 0.0)
        rows.append(
            {
                "week": week,
                "agreement": agreement,
                "share": None if agreement.share is None else 100 * agreement.share,
                "low": 100 * low,
                "high": 100 * high,
                "x": 40 * place + 20,
                "y": None if agreement.share is None else HEIGHT * (1 - agreement.share),
                "y_low": HEIGHT * (1 - low),
                "y_high": HEIGHT * (1 - high),
            }
        )
    return rows


def _days() -> list[dict[str, Any]]:
    """Predictions of each of the last days, as bars of 20 in width and at most HEIGHT."""
    today = timezone.localdate()
    counts = dict(
        Prediction.objects.filter(created_at__gte=timezone.now() - timedelta(days=DAYS))
        .order_by()
        .annotate(day=TruncDate("created_at"))
        .values_list("day")
        .annotate(Count("pk"))
    )
    days = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    most = max(counts.values(), default=0) or 1
    return [
        {"day": day, "count": count, "x": 20 * place, **_bar(count / most)}
        for place, day in enumerate(days)
        for count in [counts.get(day, 0)]
    ]


def _ratings(compared: Drift) -> list[dict[str, Any]]:
    """Of each rating its share now and before, as bars side by side."""
    shares = [
        [count / (sum(counts) or 1) for count in counts]
        for counts in (compared.now, compared.reference)
    ]
    most = max(*shares[0], *shares[1]) or 1
    return [
        {
            "rating": rating,
            "x": 30 * (rating - LOWEST),
            "now": 100 * now,
            **{f"now_{name}": value for name, value in _bar(now / most).items()},
            **{f"before_{name}": value for name, value in _bar(before / most).items()},
        }
        for rating, (now, before) in enumerate(zip(*shares, strict=True), LOWEST)
    ]


def _timeline(served: list[Service], now: datetime) -> dict[str, Any] | None:
    """A line for each version, the newest on top, with the times for which it served."""
    if not served:
        return None
    start = min(served[0].start, now - TIMELINE_LEAST)
    names = list(dict.fromkeys(each.name for each in reversed(served)))[:TIMELINE]

    def place(at: datetime) -> float:
        return TIMELINE_WIDTH * (at - start) / (now - start)

    return {
        "start": start,
        "height": 30 * len(names),
        "lines": [
            {
                "name": name,
                "y": 30 * line,
                "bars": [
                    {
                        "start": each.start,
                        "end": each.end,
                        "x": round(place(each.start), 1),
                        "width": round(max(1.5, place(each.end or now) - place(each.start)), 1),
                    }
                    for each in served
                    if each.name == name
                ],
            }
            for line, name in enumerate(names)
        ],
    }


def _bar(part: float) -> dict[str, int]:
    """A bar that stands on the line at HEIGHT; any part that is there can be seen."""
    height = max(1 if part else 0, round(HEIGHT * part))
    return {"y": HEIGHT - height, "height": height}
