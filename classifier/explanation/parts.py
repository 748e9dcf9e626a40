"""Where sentences and words begin and end, in any script; always characters of the text itself."""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from classifier.explanation.contributions import Span

# ICU's rules and dictionaries are those of the script; the language decides only which full stops
# are abbreviations.
_LOCALE = "en"
_ABBREVIATIONS = f"{_LOCALE}@ss=standard"  # "Mr. Smith" is one sentence

# Ends of a line, with the tags that reviews have in their place.
_LINE_END = re.compile(r"</?(?:br|p|div|li)\s*/?>|[\n\v\f\r\x85\u2028\u2029]", re.IGNORECASE)
# Where people write no capitals, an end that ICU does not see. Short words may be abbreviations.
_PLAIN_END = re.compile(r"(?:(?<=\w{4}\.)|(?<=\s\.))\s+")
LONG = 300  # characters; what runs on without an end is cut between clauses or words
_SHORT = 100  # characters; a clause of fewer goes with the next one


def sentences(text: str) -> list[Span]:
    """The sentences of a text, without the white space around them, in their order."""
    return [part for line in _lines(text) for part in _sentences_of(text, line)]


def words(text: str, span: Span) -> list[Span]:
    """The words in a part of a text, numbers and pictures such as emoji among them.

    Scripts without spaces between words are cut as ICU's dictionaries say.
    """
    start, end = span
    return [
        word
        for word in _pieces(start, _icu().WordBreaker(text[start:end], _LOCALE))
        if any(_says_something(letter) for letter in text[slice(*word)])
    ]


def gathered(spans: list[Span], most: int) -> list[Span]:
    """Neighbours put together, the parts about equally long, so that they are `most` or fewer."""
    if len(spans) <= most:
        return spans
    enough = sum(end - start for start, end in spans) / most
    found, length, first = [], 0, spans[0][0]
    for start, end in spans:
        if not length:
            first = start
        length += end - start
        if length >= enough:
            found.append((first, end))
            length = 0
    return [*found, (first, spans[-1][1])] if length else found


def phrases(spans: list[Span], most: int) -> list[Span]:
    """Neighbours put together, about equally many a part, so that the parts are `most` or fewer."""
    if len(spans) <= most:
        return spans
    edges = [len(spans) * index // most for index in range(most + 1)]
    return [(spans[start][0], spans[end - 1][1]) for start, end in itertools.pairwise(edges)]


def without(text: str, span: Span) -> str:
    """The text with a part left out, and with the white space on one side of it."""
    before, after = text[: span[0]], text[span[1] :]
    if not before or before[-1].isspace():
        after = after.lstrip()
    return before + after if after else before.rstrip()


def _icu() -> Any:
    """ICU's tables take ten megabytes: a process that explains nothing does without them."""
    from icu4py import breakers

    return breakers


def _lines(text: str) -> Iterator[Span]:
    start = 0
    for found in _LINE_END.finditer(text):
        yield start, found.start()
        start = found.end()
    yield start, len(text)


def _sentences_of(text: str, line: Span) -> Iterator[Span]:
    start, end = line
    for found in _pieces(start, _icu().SentenceBreaker(text[start:end], _ABBREVIATIONS)):
        for sentence in _at_plain_ends(text, found):
            pieces = _clauses(text, sentence) if sentence[1] - sentence[0] > LONG else [sentence]
            for piece in pieces:
                trimmed = _trimmed(text, piece)
                if trimmed[0] < trimmed[1]:
                    yield trimmed


def _at_plain_ends(text: str, span: Span) -> Iterator[Span]:
    start, end = span
    for found in _PLAIN_END.finditer(text, start, end):
        if text[found.end() : found.end() + 1].islower():
            yield start, found.end()
            start = found.end()
    yield start, end


def _clauses(text: str, span: Span) -> Iterator[Span]:
    """Pieces of LONG characters at most, unless a single word has more."""
    first, last = span
    for start, end in _pieces(first, _icu().LineBreaker(text[first:last], _LOCALE)):
        if end - first > LONG and start > first:
            yield first, start
            first = start
        if end - first >= _SHORT and _ends_clause(text[start:end]):
            yield first, end
            first = end
    if first < last:
        yield first, last


def _ends_clause(piece: str) -> bool:
    said = piece.rstrip()
    ends = {"Po", "Pe", "Pf"} if said == piece else {"Po", "Pe", "Pf", "Pd"}  # not "well-known"
    return bool(said) and unicodedata.category(said[-1]) in ends


def _says_something(letter: str) -> bool:
    category = unicodedata.category(letter)
    return category[0] in "LN" or category == "So"


def _pieces(start: int, breaker: Iterable[str]) -> Iterator[Span]:
    """Places of what a breaker gives; it gives strings, since its own places are in UTF-16."""
    for piece in breaker:
        yield start, start + len(piece)
        start += len(piece)


def _trimmed(text: str, span: Span) -> Span:
    piece = text[slice(*span)]
    start = span[0] + len(piece) - len(piece.lstrip())
    return start, start + len(piece.strip())
