"""Sentences for people: written in English where they arise, told in the reader's language.

A `Message` is its English text, a str like any other: logs, files and programs see no difference.
It also remembers what it was made of, so that `told` can say it in another language later, to
whoever reads it: an error of a worker's is told to visitors who read different languages.
"""

import string
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Self

Value = str | int | float | None


class Language(Protocol):
    """What telling needs of the language that the reader has."""

    def gettext(self, message: str) -> str: ...
    def ngettext(self, singular: str, plural: str, number: int) -> str: ...
    def separators(self) -> tuple[str, str]:
        """Between thousands, and before decimals."""


class _English:
    def gettext(self, message: str) -> str:
        return message

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return singular if number == 1 else plural

    def separators(self) -> tuple[str, str]:
        return ",", "."


_ENGLISH = _English()
_language: Language = _ENGLISH


def speak(language: Language) -> None:
    """From now on `told` tells in `language`, which may change from call to call."""
    global _language
    _language = language


class Message(str):
    """An English sentence, or a part of one, that can be told in other languages.

    Attributes:
        msgid: what the catalogue lists: the sentence with {places} for its values.
        plural: the same for several, where the number `count` decides; else "".
        values: what stands in the places.
    """

    msgid: str
    plural: str
    values: Mapping[str, Value]

    def __new__(
        cls, msgid: str, plural: str = "", values: Mapping[str, Value] | None = None
    ) -> Self:
        values = values or {}
        message = super().__new__(cls, _said(_ENGLISH, msgid, plural, values))
        message.msgid, message.plural, message.values = msgid, plural, values
        return message

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.msgid, self.plural, dict(self.values))


def message(msgid: str, /, **values: object) -> Message:
    """A message; without values its braces are braces.

    Args:
        values: for the places of `msgid`; numbers are written as the reader's language has them.
    """
    return Message(msgid, "", {name: _plain(value) for name, value in values.items()})


def counted(singular: str, plural: str, /, count: int, **values: object) -> Message:
    """A message whose form depends on `count`, which is one of its values."""
    return Message(
        singular, plural, {name: _plain(value) for name, value in values.items()} | {"count": count}
    )


def joined(messages: Iterable[str]) -> str:
    """Sentences one after the other, each told by itself."""
    found: str = ""
    for each in messages:
        found = message("{before} {next}", before=found, next=each) if found else each
    return found


def listed(messages: Iterable[str]) -> str:
    """Parts of a sentence with commas between, each told by itself."""
    found: str = ""
    for each in messages:
        found = message("{before}, {next}", before=found, next=each) if found else each
    return found


def told(text: str) -> str:
    """`text` in the reader's language, where it is a message; any other as it is."""
    if isinstance(text, Message):
        return _said(_language, text.msgid, text.plural, text.values)
    return str(text)


def message_of(error: Exception) -> str:
    """What an error says: the message that it was made with, if it was, else its text."""
    whole = getattr(error, "message", None)
    if isinstance(whole, Message):
        return whole
    first = error.args[0] if error.args else None
    return first if isinstance(first, Message) else str(error)


def _plain(value: object) -> Value:
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _said(language: Language, msgid: str, plural: str, values: Mapping[str, Value]) -> str:
    if plural:
        count = values["count"]
        text = language.ngettext(msgid, plural, int(count or 0))
    else:
        text = language.gettext(msgid)
    return _Places(language).format(text, **values) if values else text


class _Places(string.Formatter):
    def __init__(self, language: Language) -> None:
        self._language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if isinstance(value, Message):
            value = _said(self._language, value.msgid, value.plural, value.values)
        text = format(value, format_spec)
        if isinstance(value, int | float) and not isinstance(value, bool):
            thousands, decimal = self._language.separators()
            text = text.translate({ord(","): thousands, ord("."): decimal})
        return text


def to_data(text: str | None) -> Any:
    """`text` for JSON: a message as what it was made of, any other string as it is."""
    if not isinstance(text, Message):
        return text
    values = {
        name: to_data(value) if isinstance(value, str) else value
        for name, value in text.values.items()
    }
    return {"message": text.msgid, "plural": text.plural, "values": values}


def from_data(data: Any) -> str:
    """What `to_data` was given.

    Raises:
        ValueError: it cannot have made this.
    """
    match data:
        case str():
            return data
        case {"message": str(msgid), "plural": str(plural), "values": dict(values)}:
            try:
                return Message(
                    msgid,
                    plural,
                    {
                        str(name): from_data(value) if isinstance(value, str | dict) else value
                        for name, value in values.items()
                    },
                )
            except (KeyError, IndexError, TypeError, AttributeError) as error:
                raise ValueError("no message: its places and values differ") from error
    raise ValueError("neither a string nor a message")


def is_data(data: Any) -> bool:
    """Whether `to_data` can have made this."""
    try:
        from_data(data)
    except ValueError:
        return False
    return True
