"""An explanation as people read it: the text in pieces, those that count marked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from classifier.explanation.contributions import Contribution
from classifier.explanation.explaining import Explanation

STRENGTHS = 3
LEAST_WORD = 0.3  # of the word that adds most
FAINT = 0.02  # of P(POSITIVE); where nothing adds more, no part alone decides


@dataclass(frozen=True)
class Piece:
    """A part of the text that is marked as a whole, or not at all."""

    text: str
    contribution: float = 0.0
    strength: int = 0
    """0 for a part without a mark, to STRENGTHS for those that add most."""

    @property
    def towards(self) -> str:
        """Which label the part speaks for."""
        return "positive" if self.contribution > 0 else "negative"


@dataclass(frozen=True)
class Sentence(Piece):
    """A sentence, or what lies between two that were looked at, with its words."""

    pieces: tuple[Piece, ...] = ()


@dataclass(frozen=True)
class MarkedText:
    sentences: list[Sentence]
    """Together they are the text."""
    rows: list[Sentence]
    """The sentences that were looked at, those that add most first, with their words."""
    words: list[Piece]
    """The words, those that add most first."""
    faint: bool
    """Whether no part adds much by itself."""
    digits: int
    """Of contributions beside sentences, so that they are seen to differ."""


def marked(text: str, explanation: Explanation) -> MarkedText:
    """The text with the explanation in it.

    Args:
        text: what was explained, and what comes behind it.
    """
    found = explanation.contributions
    scale = _largest(found.sentences)
    of_words = _largest(found.words)
    sentences: list[Sentence] = []
    place = 0
    for one in found.sentences:
        sentences += _plain(text, place, one.start, found.words, of_words)
        pieces = _pieces(text, one.start, one.end, found.words, of_words)
        strength = _sentence_strength(one, scale)
        said = text[one.start : one.end]
        sentences.append(Sentence(said, one.contribution, strength, pieces))
        place = one.end
    sentences += _plain(text, place, len(text), found.words, of_words)
    words = [Piece(text[one.start : one.end], one.contribution, 1) for one in found.words]
    looked_at = [
        Sentence(text[one.start : one.end], one.contribution, 1) for one in found.sentences
    ]
    return MarkedText(
        sentences=sentences,
        rows=sorted(looked_at, key=_size, reverse=True),
        words=sorted(words, key=_size, reverse=True),
        faint=max(scale, of_words) < FAINT,
        digits=2 if scale >= 0.1 else 3,
    )


def _plain(
    text: str, start: int, end: int, words: Sequence[Contribution], largest: float
) -> list[Sentence]:
    if start == end:
        return []
    return [Sentence(text[start:end], pieces=_pieces(text, start, end, words, largest))]


def _pieces(
    text: str, start: int, end: int, words: Sequence[Contribution], largest: float
) -> tuple[Piece, ...]:
    pieces: list[Piece] = []
    place = start
    for word in words:
        if start <= word.start and word.end <= end:
            if place < word.start:
                pieces.append(Piece(text[place : word.start]))
            said = text[word.start : word.end]
            pieces.append(Piece(said, word.contribution, _word_strength(word, largest)))
            place = word.end
    return (*pieces, Piece(text[place:end])) if place < end else tuple(pieces)


def _sentence_strength(one: Contribution, largest: float) -> int:
    """By the root, so that others are seen beside one that adds far more than they."""
    return round(STRENGTHS * math.sqrt(abs(one.contribution) / largest)) if largest else 0


def _word_strength(one: Contribution, largest: float) -> int:
    """What adds little beside the largest is left plain: every word adds something."""
    share = abs(one.contribution) / largest if largest else 0.0
    return round(STRENGTHS * share) if share >= LEAST_WORD else 0


def _largest(parts: Sequence[Contribution]) -> float:
    return max((abs(one.contribution) for one in parts), default=0.0)


def _size(piece: Piece) -> float:
    return abs(piece.contribution)
