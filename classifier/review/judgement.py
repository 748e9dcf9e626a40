"""What people and files say of a review: its label and its rating, read in one way at each door."""

from typing import Any

from classifier.exceptions import ClassifierError
from classifier.labels import NEGATIVE, POSITIVE, canonical_label
from classifier.messages import message
from classifier.ratings import HIGHEST, LOWEST
from classifier.task import Task
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
            rule=message(
                "A label is {negative} or {positive}.", negative=NEGATIVE, positive=POSITIVE
            ),
            value=_shown(value),
            remedy=message("Give one of the two."),
        )
    return label


def read_label_of(task: Task, value: Any) -> str:
    """One of the labels of a task; of the two sentiments in any spelling that `read_label` knows.

    Raises:
        InvalidJudgement: it is none of them.
    """
    if task.rated:
        return read_label(value)
    if not isinstance(value, str) or value not in task.labels:
        raise InvalidJudgement(
            "label",
            code="label_unknown",
            rule=message("A label is one of {names}.", names=", ".join(task.labels)),
            value=_shown(value),
            remedy=message("Give one of them."),
        )
    return value


def read_rating_of(task: Task, value: Any) -> int | None:
    """A whole number of stars where a rating makes sense, else None.

    Raises:
        InvalidJudgement: it is none, or out of range; or one is given where none makes sense.
    """
    if task.rated:
        return read_rating(value)
    if value is not None:
        raise InvalidJudgement(
            "rating",
            code="rating_senseless",
            rule=message("A rating is given where the labels are the two sentiments."),
            value=_shown(value),
            remedy=message("Leave the rating out."),
        )
    return None


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
            rule=message(
                "A rating is a whole number from {lowest} to {highest}.",
                lowest=LOWEST,
                highest=HIGHEST,
            ),
            value=_shown(value),
            remedy=message("Give such a number."),
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
