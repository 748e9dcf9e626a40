"""Which predictions a list is asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from classifier.api.requests import InvalidField, InvalidRequest
from classifier.labels import NEGATIVE, POSITIVE
from classifier.messages import message
from classifier.models import ModelVersion, Prediction
from classifier.ratings import HIGHEST, LOWEST

LONGEST_PAGE = 200
MODEL_CHARS = 265  # a name, @ and a revision
OF_PAGING = ("cursor", "limit")


@dataclass(frozen=True)
class _Filter:
    rule: str
    read: Callable[[str], Q | None]
    """None for a value that breaks the rule."""


def filtered(predictions: "QuerySet[Prediction]", asked: QueryDict) -> "QuerySet[Prediction]":
    """Those that a query asks for; parts of it that are empty ask for nothing.

    Raises:
        InvalidRequest: it asks by something that is no filter.
        InvalidField: a value breaks its filter's rule, or is there twice.
    """
    for name, values in asked.lists():
        if name not in FILTERS and name not in OF_PAGING:
            raise InvalidRequest(
                code="filter_unknown",
                rule=message(
                    "A list is filtered by {known}.", known=", ".join((*FILTERS, *OF_PAGING))
                ),
                value=repr(name[:50]),
                remedy=message("Leave it out, or check how it is spelt."),
            )
        value = values[0] if len(values) == 1 else ""
        if len(values) > 1 or (name == "limit" and not _is_page(value)):
            raise _refused(name, FILTERS.get(name, PAGE), values)
        if name in FILTERS and value:
            wanted = FILTERS[name].read(value)
            if wanted is None:
                raise _refused(name, FILTERS[name], values)
            predictions = predictions.filter(wanted)
    return predictions


def _one_of(field: str, known: tuple[str, ...]) -> _Filter:
    return _Filter(
        message("{field} is one of {known}.", field=field, known=", ".join(known)),
        lambda value: Q(**{field: value}) if value in known else None,
    )


def _rating(lookup: str) -> _Filter:
    def read(value: str) -> Q | None:
        is_rating = value.isascii() and value.isdecimal() and LOWEST <= int(value[:3]) <= HIGHEST
        return Q(**{f"rating__{lookup}": int(value)}) if is_rating and len(value) < 3 else None

    rule = message(
        "A rating is a whole number from {lowest} to {highest}.", lowest=LOWEST, highest=HIGHEST
    )
    return _Filter(rule, read)


def _moment(lookup: str) -> _Filter:
    def read(value: str) -> Q | None:
        try:
            moment = parse_datetime(value)
            if moment is None and (day := parse_date(value)):
                moment = datetime(day.year, day.month, day.day)
            if moment is not None and timezone.is_naive(moment):
                moment = timezone.make_aware(moment)
            moment = moment and moment.astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        return None if moment is None else Q(**{f"created_at__{lookup}": moment})

    return _Filter(message("A time is as ISO 8601 has it, such as 2026-11-22T10:00:00Z."), read)


def _model(value: str) -> Q | None:
    if "\0" in value or len(value) > MODEL_CHARS:
        return None
    name, at, revision = value.rpartition("@")
    if not at:
        return Q(model_version__name=value)
    return Q(model_version__name=name, model_version__revision=revision)


def _label(value: str) -> Q | None:
    if value in (NEGATIVE, POSITIVE):
        return Q(label=value)
    # Labels of other models, of which there are few.
    others = ModelVersion.objects.filter(labels__isnull=False).values_list("labels", flat=True)
    return Q(label=value) if any(value in (labels or ()) for labels in others) else None


def _is_page(value: str) -> bool:
    return value.isascii() and value.isdecimal() and 1 <= int(value[:4]) <= LONGEST_PAGE


FILTERS: dict[str, _Filter] = {
    "source": _one_of("source", tuple(Prediction.Source.values)),
    "label": _Filter(
        message("label is NEGATIVE, POSITIVE or the label of another model of this site."),
        _label,
    ),
    "rating_min": _rating("gte"),
    "rating_max": _rating("lte"),
    "model": _Filter(message("A model is its name, or name@revision."), _model),
    "since": _moment("gte"),
    "until": _moment("lt"),
}
PAGE = _Filter(
    message("limit is a whole number from 1 to {most}.", most=LONGEST_PAGE), lambda value: None
)


def _refused(name: str, broken: _Filter, values: list[Any]) -> InvalidField:
    found = repr(str(values[0])[:50]) if len(values) == 1 else message("several values")
    return InvalidField(
        name,
        InvalidRequest(
            code="filter_value",
            rule=broken.rule,
            value=found,
            remedy=message("Send one such value, or leave it out."),
        ),
    )
