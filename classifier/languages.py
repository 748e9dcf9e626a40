"""Tells messages in the language that Django has active: that of the request that is answered."""

from django.utils.formats import get_format
from django.utils.functional import lazy
from django.utils.translation import gettext, ngettext

from classifier import messages

told_lazily = lazy(messages.told, str)
"""A message that is told whenever it is shown."""


class ActiveLanguage:
    def gettext(self, message: str) -> str:
        return gettext(message) if message else ""

    def ngettext(self, singular: str, plural: str, number: int) -> str:
        return ngettext(singular, plural, number)

    def separators(self) -> tuple[str, str]:
        return str(get_format("THOUSAND_SEPARATOR")), str(get_format("DECIMAL_SEPARATOR"))


def number(value: float, form: str) -> str:
    """A number as the active language has it; `form` as for `format`."""
    return messages.told(messages.Message("{value:" + form + "}", values={"value": value}))


def speak_the_active_language() -> None:
    messages.speak(ActiveLanguage())
