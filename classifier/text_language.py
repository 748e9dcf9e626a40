"""In which language a text is written, where that can be said."""

import re
from functools import cache
from types import ModuleType

READ_CHARS = 4000  # of a text: enough to be sure
UNKNOWN = "un"
_MODERN = {"iw": "he", "jw": "jv"}  # CLD2 has the codes of its time
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@cache
def _detector() -> ModuleType | None:
    """CLD2, loaded with the first text; None on a machine that it has no wheel for."""
    try:
        import pycld2
    except ImportError:
        return None
    found: ModuleType = pycld2
    return found


def is_available() -> bool:
    """Whether languages are detected here at all."""
    return _detector() is not None


def language_of(text: str) -> str | None:
    """The language of a text: two letters of ISO 639-1 ("en"), or three of 639-3.

    Returns:
        None where it is unsure: a text of a word or two, in several languages, or in none.
    """
    detector = _detector()
    if detector is None:
        return None
    # CLD2 refuses characters that no text needs.
    start = _CONTROL.sub(" ", text[:READ_CHARS])
    try:
        reliable, _, found = detector.detect(start)
    except detector.error:
        return None
    code = str(found[0][1]).partition("-")[0]
    return _MODERN.get(code, code) if reliable and code != UNKNOWN else None
