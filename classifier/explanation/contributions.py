"""What is said of the parts of a text."""

from collections.abc import Sequence
from dataclasses import dataclass

METHODS = OCCLUSION, GRADIENTS = ("occlusion", "gradients")
MOST_WITH_WORDS = 3  # sentences whose words are looked at: those that matter most


Span = tuple[int, int]
"""Start and end of a part, in characters of the text, the end left out."""


@dataclass(frozen=True)
class Contribution:
    """A part of a text, and what it adds to P(POSITIVE)."""

    start: int
    end: int
    """Characters of the text, the end left out."""
    contribution: float
    """-1..1: above 0 where the part makes the text more positive."""


@dataclass(frozen=True)
class Contributions:
    """The parts of one text that were looked at, in their order.

    A text of one sentence has no sentences to compare, and one of a single word no words.
    """

    sentences: list[Contribution]
    words: list[Contribution]
    """Of the sentences that matter most: words, or some neighbours where a sentence has many."""
    sentence_count: int
    """Sentences that the text has; more than `sentences` where not all could be looked at."""
    words_measured: bool
    """Whether a word's contribution was measured in the whole text; else it is the word's share
    in that of its sentence."""


def of_spans(spans: Sequence[Span], amounts: Sequence[float]) -> list[Contribution]:
    """Contributions of parts, in the order of the text."""
    return [
        Contribution(start, end, float(amount))
        for (start, end), amount in sorted(zip(spans, amounts, strict=True))
    ]


def telling(sentences: Sequence[Contribution]) -> list[Contribution]:
    """The sentences whose words are looked at, the most telling first."""
    by_size = sorted(sentences, key=lambda one: -abs(one.contribution))
    return by_size[:MOST_WITH_WORDS]
