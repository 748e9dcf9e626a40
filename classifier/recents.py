"""What a visitor has had rated lately: ids in the session, and how long each answer took."""

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models.functions import Left

from classifier.models import Prediction

KEY = "recent"  # in the session
MOST = 10
BEGINNING_CHARS = 120  # of each text


@dataclass(frozen=True)
class Timing:
    """How long an answer took, from the cleaned texts to the written rows."""

    milliseconds: int
    texts: int
    """How many were rated in that time, together."""


def remember(
    session: MutableMapping[str, Any], predictions: Sequence[Prediction], seconds: float
) -> None:
    """Put what was rated just now before what was rated earlier; the oldest ones go.

    Args:
        predictions: rated together, in the order of the form.
    """
    timing = [max(1, round(seconds * 1000)), len(predictions)]
    new = [[str(prediction.pk), *timing] for prediction in predictions]
    session[KEY] = (new + session.get(KEY, []))[:MOST]


def forget(session: MutableMapping[str, Any]) -> None:
    """Forget them all; the predictions themselves stay."""
    session.pop(KEY, None)


def recent_predictions(session: MutableMapping[str, Any]) -> list[Prediction]:
    """The latest first, each with the start of its text as `beginning`; none that is deleted."""
    ids = [entry[0] for entry in session.get(KEY, [])]
    if not ids:
        return []
    found = Prediction.objects.defer("text").annotate(beginning=Left("text", BEGINNING_CHARS))
    by_id = {str(prediction.pk): prediction for prediction in found.filter(pk__in=ids)}
    return [by_id[id_] for id_ in ids if id_ in by_id]


def timing_of(session: MutableMapping[str, Any], prediction: Prediction) -> Timing | None:
    """How long the answer took; None for who did not ask for it, or asked too long ago."""
    for id_, milliseconds, texts in session.get(KEY, []):
        if id_ == str(prediction.pk):
            return Timing(milliseconds, texts)
    return None


def is_own(session: MutableMapping[str, Any], prediction: Prediction) -> bool:
    """Whether this visitor had it rated, and lately."""
    return any(entry[0] == str(prediction.pk) for entry in session.get(KEY, []))
