"""Rules that change a text, be it a review or a question: its sentences, words and letters."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.augmentation.rules.language import is_plain, sentences, turns
from training.augmentation.rules.rule import Row

WORD_SHARE = 0.1  # of a text's words that one rule touches; EDA's alpha
AEDA_MARKS = (".", ";", "?", ":", "!", ",")


def change_case(row: Row, rng: np.random.Generator) -> Row | None:
    """The first text in lower case, or its first letter changed.

    Names are still known by their letters. An uncased model sees no difference, and the row is
    then its source once more.
    """
    first = row.text[:1].swapcase() + row.text[1:]
    changed = str(rng.choice([row.text.lower(), first]))
    return None if changed == row.text else replace(row, text=changed)


def misspell(row: Row, rng: np.random.Generator) -> Row | None:
    """Two letters swapped, one lost or one doubled, inside a tenth of the first text's long words.

    People read such words without noticing (Belinkov and Bisk 2018, arXiv:1711.02173), models
    do notice. The first and last letters stay, and so do numbers, words of four letters or fewer
    and those that turn a meaning.
    """
    words = row.text.split(" ")
    able = [number for number, word in enumerate(words) if len(word) > 4 and is_plain(word)]
    if not able:
        return None
    for number in _tenth(able, words, rng):
        words[number] = _misspelt(words[number], rng)
    changed = " ".join(words)
    return None if changed == row.text else replace(row, text=changed)


def join_words(row: Row, rng: np.random.Generator) -> Row | None:
    """The space between two words is lost, once; unlike doubled spaces, tokenizers see that.

    Both words can still be read; neither is one that turns a meaning.
    """
    words = row.text.split(" ")
    able = [
        number
        for number in range(len(words) - 1)
        if is_plain(words[number]) and is_plain(words[number + 1])
    ]
    if not able:
        return None
    at = int(rng.choice(able))
    return replace(row, text=" ".join([*words[:at], words[at] + words[at + 1], *words[at + 2 :]]))


def drop_sentence(row: Row, rng: np.random.Generator) -> Row | None:
    """One sentence goes, of a text of four or more; never the first two or the last.

    A longer text says what it feels more than once, and most plainly where it starts and ends
    (Pang et al. 2002, arXiv:cs/0205070).
    """
    parts = sentences(row.text)
    if len(parts) < 4:
        return None
    del parts[int(rng.integers(2, len(parts) - 1))]
    return replace(row, text=" ".join(parts))


def swap_sentences(row: Row, rng: np.random.Generator) -> Row | None:
    """Two neighbouring sentences inside the text change places.

    What is said stays the same. A sentence that opens with a word of contrast stays with the one
    before it.
    """
    parts = sentences(row.text)
    able = [
        number
        for number in range(1, len(parts) - 2)
        if not any(turns(part.split(" ")[0]) for part in parts[number : number + 3])
    ]
    if not able:
        return None
    at = int(rng.choice(able))
    parts[at], parts[at + 1] = parts[at + 1], parts[at]
    return replace(row, text=" ".join(parts))


def drop_words(row: Row, rng: np.random.Generator) -> Row | None:
    """A tenth of the words go, of a text of eight or more.

    Wei and Zou found that up to that share the label holds. Words that turn a meaning, and the
    word after them, stay: "not bad" must not become "bad", nor "not".
    """
    words = row.text.split(" ")
    able = _movable(words)
    if len(words) < 8 or not able:
        return None
    gone = _tenth(able, words, rng)
    return replace(row, text=" ".join(w for number, w in enumerate(words) if number not in gone))


def swap_words(row: Row, rng: np.random.Generator) -> Row | None:
    """Two neighbouring words change places, one pair in ten words, in a text of eight or more.

    The same words are said, and Russian leaves their order free anyway. Words that turn a
    meaning, and the word after them, stay in place.
    """
    words = row.text.split(" ")
    movable = set(_movable(words))
    able = [number for number in movable if number + 1 in movable]
    if len(words) < 8 or not able:
        return None
    for number in _tenth(able, words, rng):
        words[number], words[number + 1] = words[number + 1], words[number]
    changed = " ".join(words)
    return None if changed == row.text else replace(row, text=changed)


def add_punctuation(row: Row, rng: np.random.Generator) -> Row | None:
    """Marks are put between the words of the text, one to every third word at most.

    AEDA: no word is lost, added or moved, so the label is safer than under EDA, and the models
    trained on it were better.
    """
    words = row.text.split(" ")
    if len(words) < 3:
        return None
    for _ in range(int(rng.integers(1, len(words) // 3 + 1))):
        words.insert(int(rng.integers(1, len(words))), str(rng.choice(AEDA_MARKS)))
    return replace(row, text=" ".join(words))


def _movable(words: Sequence[str]) -> list[int]:
    return [
        number
        for number, word in enumerate(words)
        if not turns(word) and (number == 0 or not turns(words[number - 1]))
    ]


def _tenth(able: Sequence[int], words: Sequence[str], rng: np.random.Generator) -> list[int]:
    """Of the numbers in `able` as many as are a tenth of the words, one at the least."""
    share = min(len(able), max(1, int(len(words) * WORD_SHARE)))
    chosen: list[int] = rng.choice(able, size=share, replace=False).tolist()
    return chosen


def _misspelt(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(1, len(word) - 2))
    kind = rng.integers(3)
    if kind == 0:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return word[:at] + word[at + 1 :] if kind == 1 else word[: at + 1] + word[at:]
