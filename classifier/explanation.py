"""What moved a rating: how P(POSITIVE) changes when each sentence is left out.

Occlusion, as Zeiler & Fergus (2014, arXiv:1311.2901) did it with parts of pictures.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from classifier.classification import Classification

# Up to a full stop that white space follows, or to the end of a line.
_SENTENCE = re.compile(r"\S[^\n]*?(?:[.!?…]+[^\w\s]*(?=\s)|(?=\n)|$)")


@dataclass(frozen=True)
class Contribution:
    """A part of a text, and what it adds to P(POSITIVE)."""

    start: int
    end: int
    """Characters of the text, the end left out."""
    contribution: float
    """P(POSITIVE) of the whole text less that without this part, -1..1."""


def sentences(text: str, *, most: int) -> list[tuple[int, int]]:
    """Where sentences begin and end; neighbours are put together where there are too many."""
    found = [match.span() for match in _SENTENCE.finditer(text)]
    size = -(-len(found) // most)
    groups = [found[index : index + size] for index in range(0, len(found), max(size, 1))]
    return [(group[0][0], group[-1][1]) for group in groups]


def sentence_contributions(
    text: str, classify: Callable[[Sequence[str]], Sequence[Classification]], *, most: int = 16
) -> list[Contribution]:
    """What each sentence adds; a text of one sentence has no parts to compare.

    Args:
        classify: rates texts, in their order.
        most: parts that are looked at, and so texts that are rated besides the whole one.
    """
    parts = sentences(text, most=most)
    if len(parts) < 2:
        return []
    without = [f"{text[:start]}{text[end:]}".strip() for start, end in parts]
    whole, *said = classify([text, *without])
    return [
        Contribution(start, end, whole.positive_probability - one.positive_probability)
        for (start, end), one in zip(parts, said, strict=True)
    ]
