"""Gradients of a real model: they sum to what it says, and point where leaving out does."""

import sys
from pathlib import Path

import pytest

from classifier.exceptions import ExplanationUnavailable
from classifier.explanation.contributions import GRADIENTS
from classifier.explanation.explaining import require_method
from classifier.explanation.gradients import attributions, gradient_contributions
from classifier.predictor import Predictor, load_predictor
from tests.gates import missing

try:
    import captum  # noqa: F401
except ImportError:
    missing("SERVICES", "captum is not installed: pip install -r requirements-captum.txt")

SHORT = "\U0001f600 it was a dull film . we had it with the cast ."


def test_tokens_add_up_to_what_the_model_says(starter_weights: Predictor) -> None:
    text = "The acting is superb and the songs are wonderful. Sadly the sound was terrible."
    [whole] = starter_weights.classify([text])
    tokenizer = starter_weights.engine.tokenizer  # type: ignore[attr-defined]
    padding = " ".join([tokenizer.pad_token] * len(tokenizer.tokenize(text)))
    [nothing] = starter_weights.classify([padding])

    tokens = attributions(text, starter_weights)

    assert sum(token.amount for token in tokens) == pytest.approx(
        whole.sentiment.positive_probability - nothing.sentiment.positive_probability, abs=0.02
    )
    amounts = {text[token.start : token.end]: token.amount for token in tokens}
    assert amounts["terrible"] == min(amounts.values()) < 0 < amounts["superb"]


def test_the_windows_of_a_long_text_are_followed_together(tiny: Predictor) -> None:
    text = f"{SHORT} " + "the story of the film was of a book and the meal . " * 8
    [whole] = tiny.classify([text])
    assert whole.windows > 1

    tokens = attributions(text, tiny)

    assert all(0 <= token.start < token.end <= len(text) for token in tokens)
    assert max(token.end for token in tokens) == len(text.strip())
    # What two windows share is in both.
    assert len(tokens) > len(set(tokens)) or len({token[:2] for token in tokens}) < len(tokens)


def test_the_word_that_decides_adds_most(tiny: Predictor) -> None:
    found = gradient_contributions(SHORT, attributions(SHORT, tiny))

    first, second = found.sentences
    assert SHORT[first.start : first.end] == "\U0001f600 it was a dull film ."
    assert first.contribution < -abs(second.contribution)
    words = {SHORT[one.start : one.end]: one.contribution for one in found.words}
    assert min(words, key=lambda word: words[word]) == "dull"


def test_asking_why_changes_no_answer(tiny: Predictor) -> None:
    before = tiny.classify([SHORT])
    attributions(SHORT, tiny)

    assert tiny.classify([SHORT]) == before
    model = tiny.engine.model  # type: ignore[attr-defined]
    assert all(weights.grad is None for weights in model.parameters())


def test_a_graph_has_no_gradients(exported_model_dir: Path) -> None:
    served = load_predictor(exported_model_dir, models_dir=exported_model_dir.parent)

    with pytest.raises(ExplanationUnavailable, match="CLASSIFIER_ENGINE=torch"):
        require_method(GRADIENTS, served)


def test_without_captum_it_says_how_to_get_it(
    tiny: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)

    with pytest.raises(ExplanationUnavailable, match=r"requirements-captum\.txt"):
        require_method(GRADIENTS, tiny)
