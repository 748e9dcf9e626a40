"""Golden reviews: what a model says of them when it is registered, it says wherever it serves."""

from classifier.exceptions import ModelNotReady
from classifier.predictor import Predictor

GOLDEN_REVIEWS = (
    "A joy from start to end: superb, warm and very funny.",
    "Dull, awful and far too long. A waste of an evening.",
    "The plot was a bore and the cast was worse. I walked out.",
    "Brilliant. I would see it again tomorrow.",
    "It was fine.",
    "Good idea, bad execution, and an ending that makes up for some of it.",
    "The worst meal I have had in years; the waiter was rude and the soup was cold.",
    "This is the best book that I have read this year.",
    "It broke after two days, and nobody answered my letters.",
    "Does exactly what it says, quickly and quietly. Highly recommended.",
)
LEAST_SPREAD = 0.02  # between the largest and the smallest P(POSITIVE)


def golden_answers(predictor: Predictor) -> list[tuple[str, float]]:
    """P(POSITIVE) of each golden review.

    Raises:
        ModelNotReady: the model cannot answer, or says the same of all of them.
    """
    said = [one.positive_probability for one in predictor.classify(GOLDEN_REVIEWS)]
    if max(said) - min(said) < LEAST_SPREAD:
        raise ModelNotReady(
            code="model_constant",
            rule="A model tells reviews apart.",
            value=f"{predictor.name} gives all golden reviews a P(POSITIVE) of {said[0]:.3f}",
            remedy="Train it again: look at the loss, the learning rate and the labels.",
        )
    return list(zip(GOLDEN_REVIEWS, said, strict=True))
