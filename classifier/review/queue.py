"""Which prediction is reviewed next, and by whom.

The rule: what a visitor disagreed with comes first, the newest first. Then one in five comes from
the random share, and the others are those whose probability lies closest to the boundary, each
text once. The random share is a fixed part of what visitors and programs have asked, chosen by the
ids of the predictions, which are random: it says how good the model is, where all others were
chosen because they are hard, or came with a file that somebody has chosen.
"""

import random
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from classifier.exceptions import ClassifierError
from classifier.messages import message
from classifier.models import Feedback, Prediction, ReviewClaim, ReviewSkip, Verdict

BOUNDARY = 0.5  # P(POSITIVE)
RANDOM_TURN = 0.2  # of the reviews that are nobody's complaint
TRIES = 16  # of the best candidates; others may take some of them at the same moment
MOST = 1000  # predictions on either side of the boundary that are looked at together

ChosenBy = Verdict.ChosenBy


class ReviewLost(ClassifierError):
    """Somebody else has reviewed it, or is about to."""


def next_review(reviewer: Any, *, draw: Callable[[], float] = random.random) -> ReviewClaim | None:
    """The prediction that this reviewer has claimed, or the next one, claimed now.

    Nobody else is given it for REVIEW_CLAIM_SECONDS, nor ever once it has a verdict.

    Args:
        draw: gives a number in 0..1, which decides on the random share's turn.

    Returns:
        The claim with its prediction, or None where nothing is left to review.
    """
    if claim := _held(reviewer):
        return claim
    turns = [ChosenBy.BOUNDARY, ChosenBy.RANDOM]
    if draw() < RANDOM_TURN:
        turns.reverse()
    for chosen_by in (ChosenBy.DISAGREED, *turns):
        for pk in CANDIDATES[chosen_by](reviewer):
            if claim := claim_review(pk, reviewer, chosen_by):
                return claim
    return None


def claim_review(pk: UUID, reviewer: Any, chosen_by: str) -> ReviewClaim | None:
    """Claim a prediction that nobody has, or None."""
    now = timezone.now()
    values = {"reviewer": reviewer, "chosen_by": chosen_by, "expires_at": now + _claim_time()}
    try:
        with transaction.atomic():
            free = ReviewClaim.objects.filter(prediction_id=pk)
            expired = free.filter(expires_at__lte=now) | free.filter(reviewer=reviewer)
            if not expired.update(**values):
                with transaction.atomic():
                    ReviewClaim.objects.create(prediction_id=pk, **values)
            # A verdict is written and its claim deleted at once, so whoever waited for the
            # deletion sees the verdict.
            if not Prediction.objects.pending().filter(pk=pk).exists():
                ReviewClaim.objects.filter(prediction_id=pk).delete()
                return None
    except IntegrityError:  # somebody was quicker, or the prediction is gone
        return None
    return ReviewClaim.objects.select_related("prediction__model_version").get(prediction_id=pk)


def skip(claim: ReviewClaim) -> None:
    """Leave a prediction to other reviewers."""
    with transaction.atomic():
        ReviewSkip.objects.get_or_create(
            prediction_id=claim.prediction_id, reviewer_id=claim.reviewer_id
        )
        ReviewClaim.objects.filter(pk=claim.pk, reviewer_id=claim.reviewer_id).delete()


def take_back_skip(pk: UUID, reviewer: Any) -> None:
    """Undo a skip."""
    ReviewSkip.objects.filter(prediction_id=pk, reviewer=reviewer).delete()


def held_claim(pk: UUID, reviewer: Any) -> ReviewClaim:
    """The claim of this reviewer on a prediction; one that ran out counts until others take it.

    Raises:
        ReviewLost: another reviewer has it, or has judged it.
    """
    claims = ReviewClaim.objects.select_related("prediction__model_version")
    claim = claims.filter(prediction_id=pk, reviewer=reviewer).first()
    if claim is None:
        raise ReviewLost(
            code="review_lost",
            rule=message(
                "A review belongs to whoever has it on the screen, for {minutes} minutes.",
                minutes=settings.REVIEW_CLAIM_SECONDS // 60,
            ),
            value=message("another reviewer has it now, or has judged it"),
            remedy=message("Nothing was changed. Go on with the next one."),
        )
    return claim


def random_share() -> QuerySet[Prediction]:
    """The predictions whose verdicts say how good the model is, whatever was chosen besides.

    Of live traffic alone: what a file or a command brings is no sample of what visitors ask.
    """
    return Prediction.objects.live(settings.REVIEW_RANDOM_SHARE)


def waiting() -> dict[str, int]:
    """How many predictions wait in each part of the queue that has an end."""
    disagreed = _unreviewed(Feedback.objects.filter(disagrees=True), "prediction_id")
    return {
        ChosenBy.DISAGREED: disagreed.values("prediction_id").distinct().count(),
        ChosenBy.RANDOM: _unreviewed(random_share().exclude(text=""), "pk").count(),
    }


def _held(reviewer: Any) -> ReviewClaim | None:
    claims = ReviewClaim.objects.select_related("prediction__model_version")
    now = timezone.now()
    claim = (
        claims.filter(reviewer=reviewer, expires_at__gt=now, prediction__verdict__isnull=True)
        .exclude(prediction__text="")
        .order_by("-expires_at")  # the one that was claimed last, as after an undo
        .first()
    )
    if claim:
        claim.expires_at = now + _claim_time()
        claim.save(update_fields=["expires_at"])
    return claim


def _claim_time() -> timedelta:
    return timedelta(seconds=settings.REVIEW_CLAIM_SECONDS)


def _unreviewed(rows: QuerySet[Any], key: str) -> QuerySet[Any]:
    return rows.filter(~Exists(Verdict.objects.filter(prediction_id=OuterRef(key))))


def _free(rows: QuerySet[Any], key: str, reviewer: Any) -> QuerySet[Any]:
    """Those that no other reviewer has on the screen, and that this one has not skipped."""
    claims = ReviewClaim.objects.filter(prediction_id=OuterRef(key), expires_at__gt=timezone.now())
    skips = ReviewSkip.objects.filter(prediction_id=OuterRef(key), reviewer=reviewer)
    return rows.filter(~Exists(claims), ~Exists(skips))


def _disagreed(reviewer: Any) -> Iterable[UUID]:
    said = Feedback.objects.filter(disagrees=True).exclude(prediction__text="")
    found = _free(_unreviewed(said, "prediction_id"), "prediction_id", reviewer)
    return found.order_by("-said_at").values_list("prediction_id", flat=True)[:TRIES]


def _closest_to_the_boundary(reviewer: Any) -> Iterable[UUID]:
    """The nearest that are free, each text once, and none whose text has a verdict already.

    Only the predictions' own verdicts are asked for on the way: the way may lead past thousands
    that are judged, and each further question takes as long.
    """
    begin, count = 0, TRIES
    while nearest := _unreviewed_by_distance(begin, count):
        free = dict(
            _free(Prediction.objects.filter(pk__in=nearest).exclude(text=""), "pk", reviewer)
            .order_by()
            .values_list("pk", "text_sha256")
        )
        reviewed = Prediction.objects.reviewed().filter(text_sha256__in=set(free.values()))
        judged = set(reviewed.order_by().values_list("text_sha256", flat=True))
        first: dict[str, UUID] = {}
        for pk in nearest:
            if pk in free and free[pk] not in judged:
                first.setdefault(free[pk], pk)
        if first:
            return list(first.values())[:TRIES]
        begin, count = begin + count, min(4 * count, MOST)
    return []


def _unreviewed_by_distance(begin: int, count: int) -> list[UUID]:
    """The ids of the nearest on either side of the boundary, the nearest first.

    The index that both walk, prediction_to_review, has all that is asked for here: a row is not
    looked at for each that is passed.

    Args:
        begin: how many of each side are left out.
        count: how many of each side are taken.
    """
    found = _unreviewed(Prediction.objects.filter(text_purged_at=None), "pk")
    columns = found.values_list("positive_probability", "pk")
    above = columns.filter(positive_probability__gte=BOUNDARY).order_by("positive_probability")
    below = columns.filter(positive_probability__lt=BOUNDARY).order_by("-positive_probability")
    end = begin + count
    nearest = sorted([*above[begin:end], *below[begin:end]], key=lambda row: abs(row[0] - BOUNDARY))
    return [pk for _, pk in nearest]


def _of_the_random_share(reviewer: Any) -> Iterable[UUID]:
    found = _free(_unreviewed(random_share().exclude(text=""), "pk"), "pk", reviewer)
    return found.order_by("pk").values_list("pk", flat=True)[:TRIES]


CANDIDATES: dict[str, Callable[[Any], Iterable[UUID]]] = {
    ChosenBy.DISAGREED: _disagreed,
    ChosenBy.BOUNDARY: _closest_to_the_boundary,
    ChosenBy.RANDOM: _of_the_random_share,
}
