"""What visitors say of an answer."""

import hashlib
from typing import Any

from classifier.exceptions import ClassifierError
from classifier.labels import NEGATIVE, POSITIVE, canonical_label
from classifier.models import RATING_TOLERANCE, Feedback, Prediction
from classifier.ratings import HIGHEST, LOWEST
from classifier.texts import json_type

MAX_VISITOR_CHARS = 200  # of a program's name for its visitor


class InvalidFeedback(ClassifierError):
    """Feedback that says nothing that could be kept."""

    def __init__(self, field: str, **said: str) -> None:
        self.field = field
        super().__init__(**said)


def give_feedback(
    prediction: Prediction, *, visitor: str, label: str, rating: int, source: str
) -> Feedback:
    """Keep what a visitor says of a prediction, in place of what the same one said before.

    Args:
        visitor: whatever tells one visitor from another; only its digest is kept.
    """
    disagrees = label != prediction.label or abs(rating - prediction.rating) > RATING_TOLERANCE
    feedback, _ = Feedback.objects.update_or_create(
        prediction=prediction,
        visitor=_digest(visitor),
        defaults={"label": label, "rating": rating, "disagrees": disagrees, "source": source},
    )
    return feedback


def feedback_of(prediction: Prediction, *, visitor: str) -> Feedback | None:
    """What this visitor has said of a prediction, if anything."""
    return Feedback.objects.filter(prediction=prediction, visitor=_digest(visitor)).first()


def read_label(value: Any) -> str:
    """NEGATIVE or POSITIVE, in any known spelling.

    Raises:
        InvalidFeedback: it is neither.
    """
    label = canonical_label(value) if isinstance(value, str) else None
    if label is None:
        raise InvalidFeedback(
            "label",
            code="label_unknown",
            rule=f"The label is {NEGATIVE} or {POSITIVE}.",
            value=repr(value[:50]) if isinstance(value, str) else json_type(value),
            remedy="Send one of the two.",
        )
    return label


def read_rating(value: Any) -> int:
    """A whole number of stars.

    Raises:
        InvalidFeedback: it is none, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not LOWEST <= value <= HIGHEST:
        raise InvalidFeedback(
            "rating",
            code="rating_range",
            rule=f"A rating is a whole number from {LOWEST} to {HIGHEST}.",
            value=str(value)[:50] if isinstance(value, int | float) else json_type(value),
            remedy="Send such a number.",
        )
    return value


def _digest(visitor: str) -> str:
    return hashlib.sha256(visitor.encode()).hexdigest()
