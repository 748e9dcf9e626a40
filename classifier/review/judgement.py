"""What people and files say of a review: its label and its rating, read in one way at each door."""

from typing import Any

from classifier.exceptions import ClassifierError
from classifier.labels import NEGATIVE, POSITIVE, canonical_label
from classifier.ratings import HIGHEST, LOWEST
from classifier.texts import json_type


class InvalidJudgement(ClassifierError):
    """What is said of a review cannot be kept.

    Attributes:
        field: where it was said, such as `label`.
    """

    def __init__(self, field: str, **said: str) -> None:
        self.field = field
        super().__init__(**said)


def read_label(value: Any) -> str:
    """NEGATIVE or POSITIVE.

    Args:
        value: a known spelling of either, or 0 or 1, as a number or in words.

    Raises:
        InvalidJudgement: it is neither.
    """
    number = _whole(value)
    spelling = value if number is None else str(number)
    label = canonical_label(spelling) if isinstance(spelling, str) else None
    if label is None:
        raise InvalidJudgement(
            "label",
            code="label_unknown",
            rule=f"A label is {NEGATIVE} or {POSITIVE}.",
            value=_shown(value),
            remedy="Give one of the two.",
        )
    return label


def read_rating(value: Any) -> int:
    """A whole number of stars.

    Args:
        value: a number without a fraction, or the words of one, such as 4, 4.0 or "4".

    Raises:
        InvalidJudgement: it is none, or out of range.
    """
    rating = _whole(value)
    if rating is None or not LOWEST <= rating <= HIGHEST:
        raise InvalidJudgement(
            "rating",
            code="rating_range",
            rule=f"A rating is a whole number from {LOWEST} to {HIGHEST}.",
            value=_shown(value),
            remedy="Give such a number.",
        )
    return rating


def _whole(value: Any) -> int | None:
    """The whole number that a value is, in any of its types; a truth value is none."""
    if isinstance(value, str) and value.strip().replace(".", "", 1).isdecimal():
        value = float(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value[:50])
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value)[:50] if is_number else json_type(value)
