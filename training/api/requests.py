"""What a request to start a run says, checked as far as its shape goes."""

from dataclasses import dataclass
from typing import Any

from classifier.messages import message
from classifier.texts import json_type
from training.exceptions import InvalidRun

FIELDS = ("recipe", "name", "overrides")


@dataclass(frozen=True)
class StartRequest:
    recipe: str
    name: str
    overrides: dict[str, Any]


def start_request(data: Any) -> StartRequest:
    """Read `{"recipe": ..., "name": ..., "overrides": {...}}`, of which none is demanded.

    Raises:
        InvalidRun: it is no object, has other fields, or a field of another type.
    """
    if not isinstance(data, dict):
        raise _refused(None, "The body must be a JSON object.", json_type(data))
    if unknown := [key for key in data if key not in FIELDS]:
        rule = f"A request has the fields {', '.join(FIELDS)}; parameters stand in overrides."
        raise _refused(None, rule, repr(str(unknown[0])[:100]))
    for field, kind in (("recipe", str), ("name", str), ("overrides", dict)):
        if not isinstance(data.get(field, kind()), kind):
            called = "a text" if kind is str else "an object of parameters"
            raise _refused(field, f"{field} must be {called}.", json_type(data[field]))
    return StartRequest(
        recipe=data.get("recipe", ""),
        name=data.get("name", ""),
        overrides=data.get("overrides", {}),
    )


def _refused(field: str | None, rule: str, value: str) -> InvalidRun:
    return InvalidRun(
        code="start_request",
        field=field,
        rule=rule,
        value=value,
        remedy=message('Send {"recipe": "...", "name": "...", "overrides": {"dataset": "..."}}.'),
    )
