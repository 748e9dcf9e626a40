"""Golden reviews: what a model says of them when it is registered, it says wherever it serves."""

from collections.abc import Sequence

from classifier.classification import Classification
from classifier.exceptions import ModelNotReady
from classifier.labels import POSITIVE
from classifier.messages import message
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
LEAST_OTHER_SPREAD = 1e-6  # of any label of another task, about which reviews may say little


def golden_answers(predictor: Predictor) -> list[tuple[str, float | dict[str, float]]]:
    """P(POSITIVE) of each golden review, or of a model with other labels that of each label.

    A model that reads pairs is given each of them twice.

    Raises:
        ModelNotReady: the model cannot answer, or says the same of all of them.
    """
    pairs = GOLDEN_REVIEWS if predictor.task.pairs else None
    answers = predictor.classify(GOLDEN_REVIEWS, pairs)
    if not predictor.task.rated:
        _require_spread(predictor, answers)
        return [
            (text, one.probabilities) for text, one in zip(GOLDEN_REVIEWS, answers, strict=True)
        ]
    said = [one.probabilities[POSITIVE] for one in answers]
    if max(said) - min(said) < LEAST_SPREAD:
        raise ModelNotReady(
            code="model_constant",
            rule=message("A model tells reviews apart."),
            value=message(
                "{name} gives all golden reviews a P(POSITIVE) of {said:.3f}",
                name=predictor.name,
                said=said[0],
            ),
            remedy=message("Train it again: look at the loss, the learning rate and the labels."),
        )
    return list(zip(GOLDEN_REVIEWS, said, strict=True))


def _require_spread(predictor: Predictor, answers: Sequence[Classification]) -> None:
    columns = zip(*(one.probabilities.values() for one in answers), strict=True)
    if all(max(column) - min(column) < LEAST_OTHER_SPREAD for column in columns):
        raise ModelNotReady(
            code="model_constant",
            rule=message("A model tells texts apart."),
            value=message("{name} says the same of all golden reviews", name=predictor.name),
            remedy=message("Train it again: look at the loss, the learning rate and the labels."),
        )
