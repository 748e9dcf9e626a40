"""Reviewed predictions whose words are most like those of a text."""

import math
import re
from collections import Counter
from dataclasses import dataclass

from classifier.models import Verdict

LOOKED_AT = 500  # of the newest verdicts
SHOWN = 3

_WORD = re.compile(r"\w{3,}")


@dataclass(frozen=True)
class Similar:
    verdict: Verdict
    likeness: float
    """Cosine of the sets of words, each weighted by how rare it is; 0..1."""


def similar_reviewed(text: str) -> list[Similar]:
    """The most similar of the predictions that were reviewed lately, the most similar first."""
    reviewed = list(
        Verdict.objects.with_text()
        .select_related("prediction", "reviewer")
        .order_by("-reviewed_at")[:LOOKED_AT]
    )
    words = [_words(verdict.prediction.text) for verdict in reviewed]
    asked = _words(text)
    seen = Counter(word for each in words for word in each)
    weight = {word: math.log(1 + len(words) / count) ** 2 for word, count in seen.items()}
    own = sum(weight.get(word, 0.0) for word in asked)
    found = []
    for verdict, each in zip(reviewed, words, strict=True):
        shared = sum(weight[word] for word in asked & each)
        if shared:
            norm = math.sqrt(own * sum(weight[word] for word in each))
            found.append(Similar(verdict, shared / norm))
    return sorted(found, key=lambda one: -one.likeness)[:SHOWN]


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
