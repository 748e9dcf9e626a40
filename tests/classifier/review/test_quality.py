import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from classifier.models import Prediction, ReviewSkip
from classifier.review.drift import compare, drift
from classifier.review.quality import Agreement, agreement_by_week, overall, wilson
from tests.factories import make_prediction, make_verdict

MONDAY = "%Y-%m-%d"


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    # From statsmodels' proportion_confint(..., method="wilson").
    [
        (0, 10, 0.0, 0.27753),
        (10, 10, 0.72247, 1.0),
        (90, 100, 0.82563, 0.94477),
        (1, 1, 0.20655, 1),
    ],
)
def test_the_interval_is_wilsons(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)


def drawn(place: int, *, at: datetime | None = None, text: str = "A film.") -> Prediction:
    """One of the random share, the `place`th in its order."""
    values: dict[str, Any] = {"id": uuid.UUID(int=(place + 1) << 100)}
    return make_prediction(f"{text} {place}", created_at=at or timezone.now(), **values)


def disagree(prediction: Prediction) -> None:
    make_verdict(prediction, label="NEGATIVE", rating=2)


@pytest.mark.django_db
def test_only_the_random_share_says_how_good_the_model_is() -> None:
    for place in range(4):
        make_verdict(drawn(place))
    disagree(drawn(4))
    for _ in range(20):  # hard ones, chosen because they are hard
        disagree(make_prediction(id=uuid.UUID(int=(0xF0 << 120) + uuid.uuid4().int // 2**64)))

    total = overall(agreement_by_week().values())

    assert (total.reviewed, total.agreeing, total.drawn) == (5, 4, 5)
    assert total.share == pytest.approx(0.8)


@pytest.mark.django_db
@pytest.mark.parametrize("source", ["bulk", "command"])
def test_what_a_file_has_brought_says_nothing_of_live_traffic(source: str) -> None:
    # A file of 20 hard texts, labelled by hand and imported, or kept by a bulk job and reviewed.
    for place in range(1, 21):
        brought = drawn(2 * place)
        Prediction.objects.filter(pk=brought.pk).update(source=source)
        disagree(brought)
    waits = drawn(3)
    Prediction.objects.filter(pk=waits.pk).update(source=source)
    for place in (1, 51):
        make_verdict(drawn(place))

    total = overall(agreement_by_week().values())

    assert (total.reviewed, total.agreeing, total.drawn) == (2, 2, 2)


@pytest.mark.django_db
def test_whoever_jumped_the_queue_counts_when_its_turn_has_come() -> None:
    make_verdict(drawn(0))
    waiting = drawn(1)
    disagree(drawn(2))  # a visitor's complaint, reviewed at once

    [before] = agreement_by_week().values()
    make_verdict(waiting)
    [after] = agreement_by_week().values()

    assert (before.reviewed, before.agreeing, before.drawn) == (1, 1, 3)
    assert (after.reviewed, after.agreeing) == (3, 2)


@pytest.mark.django_db
def test_nobody_waits_for_what_is_purged_or_skipped() -> None:
    skipped = drawn(0)
    ReviewSkip.objects.create(prediction=skipped, reviewer=User.objects.create_user("ann"))
    drawn(1)
    Prediction.objects.filter(pk=uuid.UUID(int=2 << 100)).update(text="")
    make_verdict(drawn(2))

    [found] = agreement_by_week().values()

    assert (found.reviewed, found.agreeing, found.drawn) == (1, 1, 3)


@pytest.mark.django_db
def test_weeks_are_told_apart_and_old_ones_left_out() -> None:
    now = timezone.now()
    make_verdict(drawn(0, at=now))
    disagree(drawn(1, at=now - timedelta(weeks=2)))
    make_verdict(drawn(2, at=now - timedelta(weeks=20)))

    weekly = agreement_by_week()

    assert [each.share for each in weekly.values()] == [0.0, 1.0]
    assert all(week.weekday() == 0 for week in weekly)


def test_nothing_reviewed_is_no_agreement() -> None:
    assert Agreement(0, 0, 7).share is None
    assert Agreement(0, 0, 7).interval is None


# The reference: scipy.stats.chi2_contingency, without correction.
EVEN = [100] * 10


def test_the_test_is_pearsons() -> None:
    from scipy.stats import chi2_contingency

    lately = [30, 20, 10, 5, 5, 10, 20, 30, 40, 0]
    reference = [40, 10, 10, 10, 5, 5, 30, 20, 70, 0]

    found = compare(lately, reference)

    expected = chi2_contingency([lately[:9], reference[:9]], correction=False)
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.size == pytest.approx((expected.statistic / (170 + 200)) ** 0.5)


@pytest.mark.parametrize(
    ("lately", "found"),
    [
        (EVEN, False),
        ([90, 110] * 5, False),
        ([10] * 5 + [190] * 5, True),
        # Significant, as everything is among many, and too small to matter.
        ([100_000, 103_000] * 5, False),
    ],
)
def test_a_difference_must_be_significant_and_large(lately: list[int], found: bool) -> None:
    reference = EVEN if sum(lately) < 10_000 else [100_000] * 10

    assert compare(lately, reference).found is found


def test_a_few_ratings_say_nothing() -> None:
    found = compare([4] * 10, EVEN)

    assert (found.p_value, found.size, found.found) == (None, None, False)


def test_one_rating_alone_is_no_difference() -> None:
    assert compare([0] * 9 + [60], [0] * 9 + [70]).p_value == 1


@pytest.mark.django_db
def test_this_week_is_compared_with_the_four_before() -> None:
    now = timezone.now()
    for days, rating in ((1, 2), (8, 9), (30, 9), (36, 5)):
        make_prediction(created_at=now - timedelta(days=days), rating=rating)

    found = drift()

    assert found.now == [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert found.reference == [0, 0, 0, 0, 0, 0, 0, 0, 2, 0]
