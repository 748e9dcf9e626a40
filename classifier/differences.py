"""What one text has that another has not, word by word."""

import re
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

MOST_WORDS = 1000  # of a text; the time to compare grows with their square
ALIKE = 0.4  # 0..1; texts that share less are simply two texts
_WORD = re.compile(r"\w+\s*|[^\w\s]+\s*")  # and the white space behind it


class Part(NamedTuple):
    kind: Literal["same", "only"]
    text: str


def differences(first: str, second: str) -> tuple[list[Part], list[Part]] | None:
    """Both texts cut into what they share and what only one of them has.

    None where that says nothing: they are too different, or too long to be compared.
    """
    pieces = _WORD.findall(first), _WORD.findall(second)
    if max(map(len, pieces)) > MOST_WORDS:
        return None
    words = [[piece.rstrip() for piece in side] for side in pieces]
    matcher = SequenceMatcher(None, words[0], words[1], autojunk=False)
    if matcher.quick_ratio() < ALIKE or matcher.ratio() < ALIKE:
        return None
    parts: tuple[list[Part], list[Part]] = ([], [])
    for tag, start, end, other_start, other_end in matcher.get_opcodes():
        kind: Literal["same", "only"] = "same" if tag == "equal" else "only"
        for side, a, b in ((0, start, end), (1, other_start, other_end)):
            if b > a:
                parts[side].extend(_parts(kind, "".join(pieces[side][a:b])))
    return parts


def _parts(kind: Literal["same", "only"], text: str) -> list[Part]:
    words = text.rstrip()
    if kind == "same" or words == text:
        return [Part(kind, text)]
    return [Part(kind, words), Part("same", text[len(words) :])]
