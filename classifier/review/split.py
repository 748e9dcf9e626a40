"""Which verdicts a model may learn from, and which ones it is measured on for ever."""

import math

from django.db.models import Q

from classifier.models import Verdict, VerdictQuerySet

FROZEN_SHARE = 0.2
TRAIN, TEST = "train", "test"
# Digests are hexadecimal numbers of one length, so they are in the order of their letters.
_BOUND = f"{math.ceil(FROZEN_SHARE * 16**8):08x}"
FROZEN = Q(prediction__text_sha256__lt=_BOUND)
"""Of verdicts: those that split_of puts into "test"."""


def split_of(text_sha256: str) -> str:
    """The split of a text: "test" for one in five, decided by its digest alone.

    The same text is in the same split on every site and at all times, whoever reviewed it, so a
    model never learns what it is measured on.
    """
    return TEST if text_sha256 < _BOUND else TRAIN


def learnable() -> VerdictQuerySet:
    """The verdicts that a model may learn from: their text is there, and they are not frozen.

    Those on other labels, or on pairs of texts, are left out: `reviewed` rates reviews.
    """
    return Verdict.objects.with_text().on_reviews().exclude(FROZEN)
