"""Contributions by leaving parts out: how P(POSITIVE) changes without a sentence, without a word.

Occlusion, as Zeiler & Fergus (2014, arXiv:1311.2901) did it with parts of pictures. A sentence left
out of a long text costs a reading of nearly all of it, so a budget says how many are; the
reasons and figures are in docs/decisions/0020-explanations.md.
"""

import math
from collections.abc import Callable, Sequence

from classifier.explanation.contributions import (
    Contribution,
    Contributions,
    Span,
    of_spans,
    telling,
)
from classifier.explanation.parts import gathered, phrases, sentences, without, words

Probabilities = Callable[[Sequence[str]], Sequence[float]]
"""P(POSITIVE) of texts, in their order."""

# Costs are in bytes of UTF-8, which tokens follow in every script better than characters do.
READING = 60  # what a reading costs however short its text is
LEAST = 900  # a shorter text's explanation may cost as much as that of some 180 words
# Readings of one explanation, beside the whole text; at most so many of each kind.
MOST_ALONE, MOST_LEFT_OUT, MOST_WORDS = 64, 16, 48
MOST_READINGS = MOST_ALONE + MOST_LEFT_OUT + MOST_WORDS
_FOR_RANKING = 1 / 3  # of the budget, at most
_FOR_WORDS = 1 / 8  # of the budget, at least
_FEWEST_WORDS = 4  # parts of a sentence; fewer say nothing that the sentence does not
_AGAINST = 0.5  # what a sentence weighs that alone says the opposite of the whole
_CERTAIN = 1e-6  # P(POSITIVE) nearer to 0 or 1 is taken for that far


def contributions_of(
    text: str, base: float, probabilities: Probabilities, *, times: float
) -> Contributions:
    """What the sentences add, and the words in those that matter most.

    A sentence's contribution is P(POSITIVE) of the whole text less that without the sentence.

    Args:
        base: P(POSITIVE) of the whole text.
        probabilities: reads texts; asked three times at most, for MOST_READINGS texts in all.
        times: how many times the cost of reading the text once all may cost, that once included.
    """
    budget = times * max(_cost(text), LEAST + READING) - _cost(text)
    found = sentences(text)
    if len(found) < 2:
        parts: list[Contribution] = []
    else:
        chosen, spent = _affordable(text, found, base, probabilities, budget)
        said = probabilities([without(text, span) for span in chosen])
        parts = of_spans(chosen, [base - p for p in said])
        budget -= spent + sum(_cost(without(text, span)) for span in chosen)
    spoken, measured = _words(text, parts, base, probabilities, budget)
    return Contributions(parts, spoken, len(found), measured)


def _affordable(
    text: str, found: list[Span], base: float, probabilities: Probabilities, budget: float
) -> tuple[list[Span], float]:
    """The sentences to leave out, and what it cost to choose them.

    All where the budget allows that. Else those that say most when they are read alone, in favour
    of what the whole text says rather than against it.
    """
    for_sentences = (1 - _FOR_WORDS) * budget
    everything = sum(_cost(without(text, span)) for span in found)
    if len(found) <= MOST_LEFT_OUT and everything <= for_sentences:
        return found, 0.0
    affordable = int((_FOR_RANKING * budget - len(text.encode())) / READING)
    parts = gathered(found, min(max(affordable, 2), MOST_ALONE))
    alone = [text[slice(*span)] for span in parts]
    spent = float(sum(map(_cost, alone)))
    side = 1 if base >= 0.5 else -1
    leans = [side * _logit(p) for p in probabilities(alone)]
    ranks = [lean if lean > 0 else -_AGAINST * lean for lean in leans]
    count = int((for_sentences - spent) / _cost(text))
    count = min(max(count, 1), MOST_LEFT_OUT)
    order = sorted(range(len(parts)), key=lambda index: -ranks[index])
    return [parts[index] for index in order[:count]], spent


def _words(
    text: str,
    parts: list[Contribution],
    base: float,
    probabilities: Probabilities,
    budget: float,
) -> tuple[list[Contribution], bool]:
    """Contributions of words, and whether they were measured in the whole text."""
    if not parts:
        most = min(max(int(budget / _cost(text)), 1), MOST_WORDS)
        spans = phrases(words(text, (0, len(text))), most)
        return _measured(text, spans if len(spans) > 1 else [], base, probabilities), True
    sources = [((one.start, one.end), one.contribution) for one in telling(parts)]
    spoken = [(span, amount, words(text, span)) for span, amount in sources]
    spoken = [one for one in spoken if len(one[2]) > 1]
    every = [word for _, _, found in spoken for word in found]
    if len(every) <= MOST_WORDS and len(every) * _cost(text) <= budget:
        return _measured(text, every, base, probabilities), True
    return _shared(text, spoken, probabilities, budget), False


def _measured(
    text: str, spans: list[Span], base: float, probabilities: Probabilities
) -> list[Contribution]:
    if not spans:
        return []
    said = probabilities([without(text, span) for span in spans])
    return of_spans(spans, [base - p for p in said])


def _shared(
    text: str,
    spoken: list[tuple[Span, float, list[Span]]],
    probabilities: Probabilities,
    budget: float,
) -> list[Contribution]:
    """Words left out of their sentence, which is read alone: each gets a share of what it adds.

    The shares are as large, beside each other, as what the words change in the sentence's log odds;
    without their signs they sum to the sentence's contribution without its sign.
    """
    asked: list[tuple[Span, float, list[Span]]] = []
    left = MOST_WORDS
    for span, amount, found in spoken:
        price = _cost(text[slice(*span)])
        count = min(int(budget / price) - 1, left - 1, len(found))  # one is the sentence itself
        if count >= min(_FEWEST_WORDS, len(found)):
            asked.append((span, amount, phrases(found, count)))
            budget -= (count + 1) * price
            left -= count + 1
    texts: list[str] = []
    for (start, end), _, found in asked:
        alone = text[start:end]
        texts.append(alone)
        texts += [without(alone, (first - start, last - start)) for first, last in found]
    said = iter(probabilities(texts) if texts else [])
    spans: list[Span] = []
    amounts: list[float] = []
    for _, amount, found in asked:
        whole = _logit(next(said))
        changes = [whole - _logit(next(said)) for _ in found]
        total = sum(map(abs, changes))
        spans += found
        amounts += [abs(amount) * change / total if total else 0.0 for change in changes]
    return of_spans(spans, amounts)


def _cost(text: str) -> int:
    return len(text.encode()) + READING


def _logit(probability: float) -> float:
    within = min(max(probability, _CERTAIN), 1 - _CERTAIN)
    return math.log(within / (1 - within))
