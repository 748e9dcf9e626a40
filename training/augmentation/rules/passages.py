"""Rules that change a question's passage: sentences far from the question go or move."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from training.augmentation.rules.language import sentences
from training.augmentation.rules.rule import Row

STEM = 5  # letters by which two words count as one: Russian endings come after them


def shorten_passage(row: Row, rng: np.random.Generator) -> Row | None:
    """Only the sentences that may bear on the question are left.

    The evidence is in the sentences that name what is asked about, and in those that go on about
    it; all of them stay, in their order, so yes stays yes and no stays no.
    """
    parts, far = _far(row)
    return _without(far, parts, row) if far else None


def drop_far_sentences(row: Row, rng: np.random.Generator) -> Row | None:
    """Some of the sentences that do not bear on the question go, at random.

    What is dropped shares no word with the question and follows no sentence that does.
    """
    parts, far = _far(row)
    if not far:
        return None
    dropped = rng.choice(far, size=rng.integers(1, len(far) + 1), replace=False).tolist()
    return _without(dropped, parts, row)


def shuffle_far_sentences(row: Row, rng: np.random.Generator) -> Row | None:
    """The sentences that do not bear on the question change places with each other.

    The evidence stays where it was and in its order; only the matter around it moves.
    """
    parts, far = _far(row)
    if len(far) < 2:
        return None
    moved = dict(zip(far, rng.permutation(far).tolist(), strict=True))
    text = " ".join(parts[moved.get(number, number)] for number in range(len(parts)))
    return replace(row, text_pair=text)


def _far(row: Row) -> tuple[list[str], list[int]]:
    """The passage's sentences, and the numbers of those that do not bear on the question.

    The first may (it says what the passage is about), each that shares a word with the question,
    and the one after that, where a pronoun may stand for it. None is far where none shares a word.
    """
    parts, asked = sentences(row.text_pair), _stems(row.text)
    shares = [bool(_stems(part) & asked) for part in parts]
    if not any(shares):
        return parts, []
    return parts, [
        number for number in range(1, len(parts)) if not shares[number] and not shares[number - 1]
    ]


def _without(gone: Collection[int], parts: Sequence[str], row: Row) -> Row:
    kept = [part for number, part in enumerate(parts) if number not in gone]
    return replace(row, text_pair=" ".join(kept))


def _stems(text: str) -> set[str]:
    """Beginnings of the words of three letters or more; short ones are mostly function words."""
    return {word[:STEM] for word in re.findall(r"[^\W\d_]{3,}|\d+", text.casefold())}
