"""Which verdicts a model may learn from, and which ones it is measured on for ever."""

FROZEN_SHARE = 0.2
TRAIN, TEST = "train", "test"


def split_of(text_sha256: str) -> str:
    """The split of a text: "test" for one in five, decided by its digest alone.

    The same text is in the same split on every site and at all times, whoever reviewed it, so a
    model never learns what it is measured on.
    """
    return TEST if int(text_sha256[:8], 16) < FROZEN_SHARE * 16**8 else TRAIN
