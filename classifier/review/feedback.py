"""What visitors say of an answer."""

import hashlib

from classifier.models import RATING_TOLERANCE, Feedback, Prediction

MAX_VISITOR_CHARS = 200  # of a program's name for its visitor


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


def _digest(visitor: str) -> str:
    return hashlib.sha256(visitor.encode()).hexdigest()
