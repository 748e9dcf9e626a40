"""The one door for review texts: form, API, commands and data sets all clean here."""

import re

from classifier.exceptions import InvalidText

_SURROGATE = re.compile("[\ud800-\udfff]")


def clean_review_text(text: object, *, max_chars: int | None = None) -> str:
    """`text` without the white space around it, or an error that says what is wrong.

    Args:
        text: what came in through the door, of any type.
        max_chars: longest text accepted, in characters; None accepts any length.

    Returns:
        The text: not blank, no NUL, no lone surrogate, at most `max_chars` long.

    Raises:
        InvalidText: `text` breaks one of these rules.
    """
    if not isinstance(text, str):
        raise InvalidText(
            code="text_type",
            rule="A text must be a string.",
            value=json_type(text),
            remedy='Send the review in quotes: {"text": "..."}.',
        )
    if max_chars is not None and len(text) > max_chars:
        raise InvalidText(
            code="text_too_long",
            rule=f"A text may have {max_chars:,} characters at most.",
            value=f"{len(text):,} characters",
            remedy="Shorten it, or send it in parts.",
        )
    cleaned = text.strip()
    if not cleaned:
        raise InvalidText(
            code="text_blank",
            rule="A text must have at least one character that is not white space.",
            value=f"white space alone ({len(text)})" if text else "an empty text",
            remedy="Send the review itself.",
        )
    if "\0" in text:
        raise InvalidText(
            code="text_nul",
            rule="A text must not contain the NUL character.",
            value=f"NUL at position {text.index(chr(0))}",
            remedy="Remove it; it often comes from reading a binary file or UTF-16 as text.",
        )
    if surrogate := _SURROGATE.search(text):
        raise InvalidText(
            code="text_surrogate",
            rule="A text must be valid Unicode, without lone surrogates.",
            value=f"U+{ord(surrogate.group()):04X} at position {surrogate.start()}",
            remedy="Decode the text as UTF-8 before sending it.",
        )
    return cleaned


def json_type(value: object) -> str:
    """What a value is in the words of JSON, such as "a list"; never the value itself."""
    names = {
        type(None): "null",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "a list",
        dict: "an object",
    }
    return names.get(type(value), type(value).__name__)
