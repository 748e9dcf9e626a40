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
        raise _refused(None, message("The body must be a JSON object."), json_type(data))
    if unknown := [key for key in data if key not in FIELDS]:
        raise _refused(
            None,
            message(
                "A request has the fields {names}; parameters stand in overrides.",
                names=", ".join(FIELDS),
            ),
            repr(str(unknown[0])[:100]),
        )
    for field in ("recipe", "name"):
        if not isinstance(data.get(field, ""), str):
            raise _refused(
                field, message("{field} must be a text.", field=field), json_type(data[field])
            )
    if not isinstance(data.get("overrides", {}), dict):
        raise _refused(
            "overrides",
            message("overrides must be an object of parameters."),
            json_type(data["overrides"]),
        )
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
