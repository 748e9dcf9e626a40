"""What visitors say of an answer."""

import hashlib

from classifier.models import RATING_TOLERANCE, Feedback, Prediction

MAX_VISITOR_CHARS = 200  # of a program's name for its visitor


def give_feedback(
    prediction: Prediction, *, visitor: str, label: str, rating: int | None, source: str
) -> Feedback:
    """Keep what a visitor says of a prediction, in place of what the same one said before.

    Args:
        rating: None where the prediction has none.
        visitor: whatever tells one visitor from another; only its digest is kept.
    """
    disagrees = label != prediction.label or _is_far(rating, prediction.rating)
    feedback, _ = Feedback.objects.update_or_create(
        prediction=prediction,
        visitor=_digest(visitor),
        defaults={"label": label, "rating": rating, "disagrees": disagrees, "source": source},
    )
    return feedback


def feedback_of(prediction: Prediction, *, visitor: str) -> Feedback | None:
    """What this visitor has said of a prediction, if anything."""
    return Feedback.objects.filter(prediction=prediction, visitor=_digest(visitor)).first()


def _is_far(rating: int | None, predicted: int | None) -> bool:
    if rating is None or predicted is None:
        return False
    return abs(rating - predicted) > RATING_TOLERANCE


def _digest(visitor: str) -> str:
    return hashlib.sha256(visitor.encode()).hexdigest()
