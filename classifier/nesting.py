"""How deep JSON is nested, told from its text: before anything is built of it."""

import re
from itertools import accumulate

MOST = 32
"""Levels of lists and objects, one in the other, that JSON from outside may have."""

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_NO_BRACKET = re.compile(r"[^][{}]+")
_STEP = {"[": 1, "{": 1, "]": -1, "}": -1}


def levels_beyond(text: str) -> int:
    """The levels of a JSON text that has more than MOST; 0 for any other.

    What is no JSON has as many as are open at once.
    """
    if text.count("[") + text.count("{") <= MOST:  # most texts: nothing need be looked at closely
        return 0
    brackets = _NO_BRACKET.sub("", _STRING.sub("", text))
    deepest = max(accumulate(map(_STEP.__getitem__, brackets)), default=0)
    return deepest if deepest > MOST else 0
