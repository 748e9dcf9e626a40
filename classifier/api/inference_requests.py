"""What requests in the forms of others ask for, checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from django.conf import settings

from classifier.api.requests import InvalidField, InvalidRequest, list_found, require_object
from classifier.exceptions import InvalidText
from classifier.messages import message
from classifier.services import review_text
from classifier.texts import json_type

Function = Literal["softmax", "sigmoid", "none"]
FUNCTIONS: tuple[Function, ...] = ("softmax", "sigmoid", "none")


@dataclass(frozen=True)
class Asked:
    texts: list[str]
    """Cleaned, in the order they came."""
    is_nested: bool
    """Whether the answer is a list of lists, one for each text."""
    function: Function = "softmax"
    """What makes scores of the model's outputs."""
    top: int | None = None
    """So many of the likeliest labels; None: all."""
    pairs: list[str] | None = None
    """The second text of each, cleaned; None where there is none."""


def hub_request(data: Any) -> Asked:
    """Read `{"inputs": "..." | ["...", ...], "parameters": {...}}` of Hugging Face's API.

    `options` (wait_for_model, use_cache) are let pass: nothing here is loaded while it is waited
    for. So is the parameter `truncation`: texts of any length are read.

    Raises:
        InvalidRequest, InvalidField: it is something else.
    """
    data = require_object(data, message('Send {"inputs": "..."}.'))
    inputs = _inputs(data)
    parameters = data.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise _refused(
            "parameters", message("parameters are a JSON object."), json_type(parameters)
        )
    known: Mapping[str, tuple[Callable[[Any], bool], str]] = {
        "top_k": (
            lambda given: type(given) is int and given >= 1,
            message("top_k is a whole number, 1 or more."),
        ),
        "function_to_apply": (
            lambda given: given in FUNCTIONS,
            message("function_to_apply is {known}.", known=", ".join(FUNCTIONS)),
        ),
        "truncation": (
            lambda given: isinstance(given, bool),
            message("truncation is true or false."),
        ),
    }
    for name, given in parameters.items():
        if name not in known:
            raise _refused(
                "parameters",
                message("The parameters are {known}.", known=", ".join(known)),
                repr(name[:50]),
            )
        is_right, rule = known[name]
        if given is not None and not is_right(given):
            raise _refused(f"parameters.{name}", rule, repr(given)[:50])
    return Asked(
        _texts([inputs] if isinstance(inputs, str) else _listed(inputs)),
        is_nested=True,
        function=cast(Function, parameters.get("function_to_apply") or "softmax"),
        top=parameters.get("top_k"),
    )


def tei_request(data: Any) -> Asked:
    """Read `{"inputs": ..., "raw_scores": false, "truncate": false}` of TEI.

    Its inputs are "text", ["text"], ["text", "its second text"], or a list of such lists.
    `truncate` is let pass: texts of any length are read.

    Raises:
        InvalidRequest, InvalidField: it is something else.
    """
    data = require_object(data, message('Send {"inputs": "..."}.'))
    inputs = _inputs(data)
    for name in ("raw_scores", "truncate"):
        if not isinstance(data.get(name, False), bool):
            raise _refused(
                name, message("{name} is true or false.", name=name), json_type(data[name])
            )
    function: Function = "none" if data.get("raw_scores") else "softmax"
    if isinstance(inputs, str):
        return Asked(_texts([inputs]), is_nested=False, function=function)
    listed = _listed(inputs)
    if not isinstance(listed[0], list):
        one = _texts(_one_or_two("inputs", listed))
        return Asked(one[:1], is_nested=False, function=function, pairs=one[1:] or None)
    lists = _alike(listed)
    if len(lists[0]) == 1:
        return Asked(_texts([one for [one] in lists]), is_nested=True, function=function)
    pairs = [
        [_text(f"inputs[{index}][{place}]", text) for place, text in enumerate(pair)]
        for index, pair in enumerate(lists)
    ]
    firsts, seconds = map(list, zip(*pairs, strict=True))
    return Asked(firsts, is_nested=True, function=function, pairs=seconds)


def _inputs(data: dict[str, Any]) -> Any:
    inputs = data.get("inputs")
    if inputs is None or inputs == []:
        raise InvalidRequest(
            code="inputs_missing",
            rule=message("A request has a text, or a list of them, in inputs."),
            value=message("none"),
            remedy=message('Send {"inputs": "..."}.'),
        )
    return inputs


def _listed(inputs: Any) -> list[Any]:
    limit = settings.CLASSIFIER_MAX_TEXTS
    if not isinstance(inputs, list) or len(inputs) > limit:
        raise InvalidField(
            "inputs",
            InvalidRequest(
                code="texts_list",
                rule=message("A list has 1 to {limit} texts.", limit=limit),
                value=list_found(inputs),
                remedy=message("Send what is more in several requests."),
            ),
        )
    return inputs


def _alike(listed: list[Any]) -> list[list[Any]]:
    """The inputs of a list: each one text, or each a pair."""
    given = [_one_or_two(f"inputs[{index}]", each) for index, each in enumerate(listed)]
    for index, each in enumerate(given):
        if len(each) != len(given[0]):
            raise InvalidField(
                f"inputs[{index}]",
                InvalidRequest(
                    code="inputs_pair",
                    rule=message("The inputs of a request are all single texts, or all pairs."),
                    value=list_found(each),
                    remedy=message("Send the others in another request."),
                ),
            )
    return given


def _one_or_two(field: str, given: Any) -> list[Any]:
    """A list that has one text, or two: they are a pair to TEI."""
    if isinstance(given, list) and len(given) in (1, 2):
        return given
    raise InvalidField(
        field,
        InvalidRequest(
            code="inputs_pair",
            rule=message("An input is a list of one text, or of two that are a pair."),
            value=list_found(given),
            remedy=message('Send a list of lists with one text each: [["..."], ["..."]].'),
        ),
    )


def _text(field: str, given: Any) -> str:
    try:
        return review_text(given)
    except InvalidText as error:
        raise InvalidField(field, error) from error


def _texts(given: list[Any]) -> list[str]:
    if len(given) == 1:
        return [_text("inputs", given[0])]
    return [_text(f"inputs[{index}]", each) for index, each in enumerate(given)]


def _refused(field: str, rule: str, value: str) -> InvalidField:
    return InvalidField(
        field,
        InvalidRequest(
            code="parameter_value",
            rule=rule,
            value=value,
            remedy=message("Leave it out, or send a value that is known."),
        ),
    )
