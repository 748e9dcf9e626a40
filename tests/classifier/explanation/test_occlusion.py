import math
from collections.abc import Sequence

import pytest

from classifier.explanation.contributions import Contribution, Contributions
from classifier.explanation.occlusion import (
    LEAST,
    MOST_READINGS,
    READING,
    contributions_of,
)
from classifier.explanation.parts import sentences, without
from classifier.predictor import Predictor

SHORT = "a good film . the plot , a dull bore . lovely !"
# Longer than a window of the tiny model, and than what the budget has for every sentence
LONG = " ".join(
    [
        "we had a superb evening with the cast , warm and funny and moving from start to end .",
        "the plot was awful .",
        *(f"the story of the film was of a book and the meal number {n} ." for n in range(24)),
    ]
)


class Reader:
    """P(POSITIVE) of texts, and what was asked for."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.texts: list[str] = []

    def __call__(self, texts: Sequence[str]) -> list[float]:
        self.texts += texts
        return [one.sentiment.positive_probability for one in self._predictor.classify(texts)]


def explained(text: str, predictor: Predictor, times: float = 6.0) -> Contributions:
    [whole] = predictor.classify([text])
    return contributions_of(
        text, whole.sentiment.positive_probability, Reader(predictor), times=times
    )


def said_without(text: str, part: Contribution, predictor: Predictor) -> float:
    [said] = predictor.classify([without(text, (part.start, part.end))])
    return said.sentiment.positive_probability


@pytest.mark.parametrize("text", [SHORT, LONG, SHORT.replace(" . ", ".<br />\r\n"), f"😀 {SHORT}"])
def test_a_sentence_adds_what_goes_when_it_goes(text: str, tiny: Predictor) -> None:
    [whole] = tiny.classify([text])

    found = explained(text, tiny)

    assert found.sentences
    for one in found.sentences:
        expected = whole.sentiment.positive_probability - said_without(text, one, tiny)
        assert one.contribution == pytest.approx(expected, abs=1e-6)


def test_every_sentence_of_a_short_text_is_left_out(tiny: Predictor) -> None:
    found = explained(SHORT, tiny)

    assert [SHORT[one.start : one.end] for one in found.sentences] == [
        "a good film .",
        "the plot , a dull bore .",
        "lovely !",
    ]
    assert found.sentence_count == 3
    assert found.sentences[0].contribution > 0.9


def test_words_of_a_short_text_are_measured_in_it(tiny: Predictor) -> None:
    text = "it was a dull film"
    [whole] = tiny.classify([text])

    found = explained(text, tiny)

    assert found.sentences == []
    assert found.words_measured
    assert [text[one.start : one.end] for one in found.words] == text.split()
    for one in found.words:
        expected = whole.sentiment.positive_probability - said_without(text, one, tiny)
        assert one.contribution == pytest.approx(expected, abs=1e-6)
    by_word = {text[one.start : one.end]: one.contribution for one in found.words}
    assert min(by_word, key=lambda word: by_word[word]) == "dull"
    assert by_word["dull"] < -0.9


def test_words_of_a_long_text_share_what_their_sentence_adds(tiny: Predictor) -> None:
    found = explained(LONG, tiny)

    assert not found.words_measured
    assert found.words
    shares = 0
    for sentence in found.sentences:
        inside = [w for w in found.words if sentence.start <= w.start and w.end <= sentence.end]
        if not inside:
            continue
        shares += len(inside)
        assert sum(abs(word.contribution) for word in inside) == pytest.approx(
            abs(sentence.contribution)
        )
        alone = LONG[sentence.start : sentence.end]
        [said] = tiny.classify([alone])
        for word in inside:
            place = (word.start - sentence.start, word.end - sentence.start)
            [rest] = tiny.classify([without(alone, place)])
            parts = (said.sentiment, rest.sentiment)
            change = parts[0].positive_probability - parts[1].positive_probability
            assert math.copysign(1, word.contribution) == math.copysign(1, change)
    assert shares == len(found.words)


def test_of_a_long_text_the_sentences_that_say_most_are_left_out() -> None:
    def probabilities(texts: Sequence[str]) -> list[float]:
        return [0.9 if "superb" in text else 0.3 if "awful" in text else 0.5 for text in texts]

    found = contributions_of(LONG, 0.9, probabilities, times=6)

    assert found.sentence_count == 26
    assert 1 < len(found.sentences) < 26
    named = [LONG[one.start : one.end] for one in found.sentences]
    assert "superb" in named[0]
    assert "awful" in named[1]
    assert found.sentences[0].contribution == pytest.approx(0.6)


def test_with_a_larger_budget_every_sentence_is_left_out(tiny: Predictor) -> None:
    text = " ".join(LONG.split(" . ")[:8])

    assert len(explained(SHORT * 40, tiny, times=3).sentences) < 5
    found = explained(text, tiny, times=50)
    assert len(found.sentences) == found.sentence_count


@pytest.mark.parametrize("text", ["superb", "😀", "...", "?", "lovely" * 400, "好"])
def test_what_has_no_parts_has_none(text: str, tiny: Predictor) -> None:
    found = explained(text, tiny)

    assert (found.sentences, found.words) == ([], [])


@pytest.mark.parametrize(
    "text",
    [
        SHORT,
        LONG,
        "A sentence of some words. " * 700,
        "No! " * 5000,
        "and so on and on " * 1000,
        "很好看的电影。" * 1000,
        "a",
        "x" * 20_000,
    ],
    ids=["short", "long", "sentences", "cries", "one sentence", "chinese", "letter", "word"],
)
@pytest.mark.parametrize("times", [2.0, 6.0, 30.0])
def test_the_texts_that_are_read_are_bounded(text: str, times: float) -> None:
    read: list[str] = []

    def probabilities(texts: Sequence[str]) -> list[float]:
        read.extend(texts)
        return [len(text) % 89 / 100 + 0.05 for text in texts]

    contributions_of(text, 0.9, probabilities, times=times)

    whole = len(text.encode()) + READING
    spent = sum(len(one.encode()) + READING for one in read)
    assert len(read) <= MOST_READINGS
    # With twice the cost alone, a long text's sentences are still compared, and one is left out.
    assert spent + whole <= max(times, 4) * max(whole, LEAST + READING)


def test_a_model_that_always_says_the_same_gives_noughts() -> None:
    found = contributions_of(LONG, 0.7, lambda texts: [0.7] * len(texts), times=6)

    assert {one.contribution for one in [*found.sentences, *found.words]} == {0.0}


def test_a_model_that_is_certain_is_asked_all_the_same() -> None:
    found = contributions_of(
        LONG, 1.0, lambda texts: [float("superb" in t) for t in texts], times=6
    )

    [top] = [one for one in found.sentences if one.contribution]
    assert top.contribution == 1.0
    assert "superb" in LONG[top.start : top.end]


def test_the_starter_explains_as_a_reader_would(starter: Predictor) -> None:
    text = (
        "We went on a Tuesday. The acting is superb and the songs are wonderful. "
        "Sadly the sound in the hall was terrible. I would see it again."
    )

    found = explained(text, starter)

    by_sentence = {text[one.start : one.end]: one.contribution for one in found.sentences}
    assert max(by_sentence, key=lambda said: by_sentence[said]) in {
        "The acting is superb and the songs are wonderful.",
        "I would see it again.",
    }
    assert min(by_sentence, key=lambda said: by_sentence[said]).startswith("Sadly")
    top, bottom = (choose(found.words, key=lambda one: one.contribution) for choose in (max, min))
    assert top.contribution > 0 > bottom.contribution
    assert "terrible" in text[bottom.start : bottom.end]
    assert [text[slice(*span)] for span in sentences(text)] == list(by_sentence)
