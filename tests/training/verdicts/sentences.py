"""Verdicts of the split that a test wants, on sentences of the tiny vocabulary."""

import random
from collections.abc import Iterator
from itertools import islice

from classifier.labels import NEGATIVE, POSITIVE
from classifier.models import Verdict, text_digest
from classifier.review.split import TEST, TRAIN, split_of
from tests import tiny
from tests.factories import make_prediction, make_verdict

LABELS = (NEGATIVE, POSITIVE)


def texts_of(split: str, label: str, *, seed: int = 0) -> Iterator[str]:
    """Sentences that say `label`, all different, whose digest lies in `split`."""
    rng = random.Random(f"{split}{label}{seed}")
    for number in range(100_000):
        text = f"{tiny.sentence(LABELS.index(label), rng)} {number}"
        if split_of(text_digest(text)) == split:
            yield text


def review(*, train: int = 10, test: int = 1, seed: int = 0) -> dict[str, list[Verdict]]:
    """Verdicts of both labels, so many of each in either split."""
    return {
        split: [
            make_verdict(make_prediction(text, label=NEGATIVE), label=label, rating=rating)
            for label, rating in zip(LABELS, (2, 9), strict=True)
            for text in islice(texts_of(split, label, seed=seed), count)
        ]
        for split, count in ((TRAIN, train), (TEST, test))
    }
