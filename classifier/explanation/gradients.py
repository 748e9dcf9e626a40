"""Contributions by gradients: those of the tokens in a part, together."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from classifier.engines import GradientEngine
from classifier.exceptions import ExplanationUnavailable
from classifier.explanation.contributions import Contributions, Span, of_spans, telling
from classifier.explanation.parts import sentences, words
from classifier.messages import message
from classifier.predictor import Predictor
from classifier.windows import RULES, WindowLogits, softmax


class Attribution(NamedTuple):
    """A token of a text, and what it adds to P(POSITIVE)."""

    start: int
    end: int
    """Characters of the text, the end left out."""
    amount: float


def gradient_contributions(text: str, tokens: Sequence[Attribution]) -> Contributions:
    """Sentences, and the words of those that matter most.

    Args:
        tokens: of the text.
    """
    found = sentences(text)
    parts = of_spans(found, _sums(found, tokens)) if len(found) > 1 else []
    spans = [(one.start, one.end) for one in telling(parts)] or found
    spoken = [word for span in spans for word in words(text, span)]
    if len(spoken) < 2:
        spoken = []
    return Contributions(parts, of_spans(spoken, _sums(spoken, tokens)), len(found), True)


def followed_engine(predictor: Predictor) -> GradientEngine:
    """The predictor's engine, if its model can be followed backwards.

    Raises:
        ExplanationUnavailable: it cannot, or what follows it is not installed.
    """
    engine = predictor.engine
    if not isinstance(engine, GradientEngine):
        raise ExplanationUnavailable(
            code="no_gradients",
            rule=message("Gradients are those of weights, which the torch engine has."),
            value=message("{model} is served as a graph", model=predictor.name),
            remedy=message("Set CLASSIFIER_ENGINE=torch, or ask for the method occlusion."),
        )
    engine.require_gradients()
    return engine


def attributions(text: str, predictor: Predictor) -> list[Attribution]:
    """What each token of a text adds to P(POSITIVE), by integrated gradients.

    They sum to what P(POSITIVE) is above that of padding tokens in their place. The engine's are
    of log odds, and are scaled by how far P(POSITIVE) went for each unit of them.

    Raises:
        ModelNotReady: the model's labels are not the two sentiments.
        ExplanationUnavailable: as `followed_engine`.
    """
    engine = followed_engine(predictor)
    windows = engine.gradients(text, predictor.artefact.positive_index())
    weights = RULES[predictor.rating.window_rule](
        WindowLogits(
            np.stack([window.logits for window in windows]),
            np.array([window.tokens for window in windows]),
        )
    )
    margin = float(weights @ [window.margin for window in windows])
    nothing = float(weights @ [window.margin_of_nothing for window in windows])
    went = _probability(margin) - _probability(nothing)
    scale = went / (margin - nothing) if margin != nothing else 0.0
    return [
        Attribution(start, end, float(weight * amount * scale))
        for weight, window in zip(weights, windows, strict=True)
        for (start, end), amount in zip(window.places, window.amounts, strict=True)
    ]


def _probability(margin: float) -> float:
    return float(softmax(np.array([0.0, margin]))[1])


def _sums(spans: Sequence[Span], tokens: Sequence[Attribution]) -> list[float]:
    """A token counts where its last character is: some tokens begin with the space before."""
    owner = {
        place: index for index, (start, end) in enumerate(spans) for place in range(start, end)
    }
    sums = [0.0] * len(spans)
    for token in tokens:
        if (index := owner.get(token.end - 1)) is not None:
            sums[index] += token.amount
    return sums
