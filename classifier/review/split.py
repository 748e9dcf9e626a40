"""Which verdicts a model may learn from, and which ones it is measured on for ever."""

import math

from classifier.models import VerdictQuerySet

FROZEN_SHARE = 0.2
TRAIN, TEST = "train", "test"
_BOUND = f"{math.ceil(FROZEN_SHARE * 16**8):08x}"  # of the digests, in their order


def split_of(text_sha256: str) -> str:
    """The split of a text: "test" for one in five, decided by its digest alone.

    The same text is in the same split on every site and at all times, whoever reviewed it, so a
    model never learns what it is measured on.
    """
    return TEST if text_sha256 < _BOUND else TRAIN


def frozen(verdicts: VerdictQuerySet) -> VerdictQuerySet:
    """Those of the split "test"."""
    return verdicts.filter(prediction__text_sha256__lt=_BOUND)
