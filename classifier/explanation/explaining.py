"""Explanations of the model in service, the latest of them remembered."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from django.conf import settings

from classifier import metrics
from classifier.answers import answers
from classifier.exceptions import ExplanationUnavailable
from classifier.explanation.contributions import GRADIENTS, METHODS, OCCLUSION, Contributions
from classifier.explanation.gradients import attributions, followed_engine, gradient_contributions
from classifier.explanation.occlusion import contributions_of
from classifier.messages import message
from classifier.models import text_digest
from classifier.predictor import Predictor, holder

REMEMBERED = 256  # explanations; each has some kilobytes

Key = tuple[str, str, str]  # revision of the model, SHA-256 of what it read, method


@dataclass(frozen=True)
class Explanation:
    """What one model says of a text and of its parts."""

    method: str
    model: str
    """name@revision"""
    base: float
    """P(POSITIVE) of the whole text."""
    contributions: Contributions


_remembered: OrderedDict[Key, Explanation] = OrderedDict()
_lock = threading.Lock()


def explain(text: str, *, method: str = OCCLUSION) -> Explanation:
    """Why the model in service rates a text as it does; what it does not read has no part in it.

    Args:
        text: as `services.review_text` has cleaned it.
        method: "occlusion", with any engine, or "gradients", with the torch engine.

    Raises:
        ModelNotReady: no model can answer.
        ExplanationUnavailable: the model cannot be asked by this method.
    """
    predictor = holder.get()
    require_method(method, predictor)
    read = text[: settings.CLASSIFIER_READ_CHARS]
    digest = text_digest(read)
    key = (predictor.revision, digest, method)
    with _lock:
        if known := _remembered.get(key):
            _remembered.move_to_end(key)
            return known
    [whole] = answers.classify(predictor, [read], [digest], size=settings.CLASSIFIER_CACHE_SIZE)
    base = whole.sentiment.positive_probability
    with metrics.EXPLANATION.labels(method).time():
        found = (
            gradient_contributions(read, attributions(read, predictor))
            if method == GRADIENTS
            else _occlude(read, base, predictor)
        )
    made = Explanation(method, f"{predictor.name}@{predictor.revision}", base, found)
    with _lock:
        _remembered[key] = made
        while len(_remembered) > REMEMBERED:
            _remembered.popitem(last=False)
    return made


def require_method(method: str, predictor: Predictor) -> None:
    """
    Raises:
        ExplanationUnavailable: there is no such method, or this model cannot be asked by it.
    """
    if method not in METHODS:
        raise ExplanationUnavailable(
            code="explain_method",
            rule=message("Texts are explained by one of {names}.", names=", ".join(METHODS)),
            value=repr(method[:50]),
            remedy=message(
                "Choose one of them; {default} works with every model.", default=OCCLUSION
            ),
        )
    if not predictor.task.explained:
        raise ExplanationUnavailable(
            code="explain_task",
            rule=message("What is explained is a rating of one text, by P(POSITIVE)."),
            value=message("{model} has other labels, or reads pairs", model=predictor.name),
            remedy=message("Ask without explain, or let a model be served that rates reviews."),
        )
    if method == GRADIENTS:
        followed_engine(predictor)


def forget() -> None:
    """Forget every explanation."""
    with _lock:
        _remembered.clear()


def _occlude(text: str, base: float, predictor: Predictor) -> Contributions:
    return contributions_of(
        text,
        base,
        lambda texts: [said.sentiment.positive_probability for said in predictor.classify(texts)],
        times=settings.CLASSIFIER_EXPLAIN_COST,
    )
