"""The one door for review texts: form, API, commands and data sets all clean here."""

import re

from classifier.exceptions import InvalidText
from classifier.messages import counted, message

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
            rule=message("A text must be a string."),
            value=json_type(text),
            remedy=message('Send the review in quotes: {"text": "..."}.'),
        )
    if max_chars is not None and len(text) > max_chars:
        raise InvalidText(
            code="text_too_long",
            rule=message("A text may have {most:,} characters at most.", most=max_chars),
            value=counted("{count:,} character", "{count:,} characters", count=len(text)),
            remedy=message("Shorten it, or send it in parts."),
        )
    cleaned = text.strip()
    if not cleaned:
        raise InvalidText(
            code="text_blank",
            rule=message("A text must have at least one character that is not white space."),
            value=message("white space alone ({count})", count=len(text))
            if text
            else message("an empty text"),
            remedy=message("Send the review itself."),
        )
    if "\0" in text:
        raise InvalidText(
            code="text_nul",
            rule=message("A text must not contain the NUL character."),
            value=message("NUL at position {place}", place=text.index(chr(0))),
            remedy=message(
                "Remove it; it often comes from reading a binary file or UTF-16 as text."
            ),
        )
    if surrogate := _SURROGATE.search(text):
        raise InvalidText(
            code="text_surrogate",
            rule=message("A text must be valid Unicode, without lone surrogates."),
            value=message(
                "U+{code:04X} at position {place}",
                code=ord(surrogate.group()),
                place=surrogate.start(),
            ),
            remedy=message("Decode the text as UTF-8 before sending it."),
        )
    return cleaned


def json_type(value: object) -> str:
    """What a value is in the words of JSON, such as message("a list"); never the value itself."""
    names = {
        type(None): "null",
        bool: message("a boolean"),
        int: message("a number"),
        float: message("a number"),
        str: message("a string"),
        list: message("a list"),
        dict: message("an object"),
    }
    return names.get(type(value), type(value).__name__)
