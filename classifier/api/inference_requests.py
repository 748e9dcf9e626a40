"""What requests in the forms of others ask for, checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from django.conf import settings
from django.utils.translation import gettext as _

from classifier.api.requests import InvalidField, InvalidRequest, require_object
from classifier.exceptions import InvalidText
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


def hub_request(data: Any) -> Asked:
    """Read `{"inputs": "..." | ["...", ...], "parameters": {...}}` of Hugging Face's API.

    `options` (wait_for_model, use_cache) are let pass: nothing here is loaded while it is waited
    for. So is the parameter `truncation`: texts of any length are read.

    Raises:
        InvalidRequest, InvalidField: it is something else.
    """
    data = require_object(data, '{"inputs": "..."}')
    inputs = _inputs(data)
    parameters = data.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise _refused("parameters", _("parameters are a JSON object."), json_type(parameters))
    known: Mapping[str, tuple[Callable[[Any], bool], str]] = {
        "top_k": (
            lambda given: type(given) is int and given >= 1,
            _("top_k is a whole number, 1 or more."),
        ),
        "function_to_apply": (
            lambda given: given in FUNCTIONS,
            _("function_to_apply is %(known)s.") % {"known": ", ".join(FUNCTIONS)},
        ),
        "truncation": (lambda given: isinstance(given, bool), _("truncation is true or false.")),
    }
    for name, given in parameters.items():
        if name not in known:
            rule = _("The parameters are %(known)s.") % {"known": ", ".join(known)}
            raise _refused("parameters", rule, repr(name[:50]))
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
    """Read `{"inputs": "..." | [["..."], ...], "raw_scores": false, "truncate": false}` of TEI.

    `truncate` is let pass: texts of any length are read.

    Raises:
        InvalidRequest, InvalidField: it is something else, or a pair of texts.
    """
    data = require_object(data, '{"inputs": "..."}')
    inputs = _inputs(data)
    for name in ("raw_scores", "truncate"):
        if not isinstance(data.get(name, False), bool):
            raise _refused(name, f"{name} is true or false.", json_type(data[name]))
    function: Function = "none" if data.get("raw_scores") else "softmax"
    if isinstance(inputs, str):
        return Asked(_texts([inputs]), is_nested=False, function=function)
    listed = _listed(inputs)
    if isinstance(listed[0], list):
        texts = [_one(f"inputs[{index}]", each) for index, each in enumerate(listed)]
        return Asked(_texts(texts), is_nested=True, function=function)
    return Asked(_texts([_one("inputs", listed)]), is_nested=False, function=function)


def _inputs(data: dict[str, Any]) -> Any:
    inputs = data.get("inputs")
    if inputs is None or inputs == []:
        raise InvalidRequest(
            code="inputs_missing",
            rule=_("A request has a text, or a list of them, in inputs."),
            value=_("none"),
            remedy=_('Send {"inputs": "..."}.'),
        )
    return inputs


def _listed(inputs: Any) -> list[Any]:
    limit = settings.CLASSIFIER_MAX_TEXTS
    if not isinstance(inputs, list) or len(inputs) > limit:
        found = f"{len(inputs)} texts" if isinstance(inputs, list) else json_type(inputs)
        raise InvalidField(
            "inputs",
            InvalidRequest(
                code="texts_list",
                rule=_("A list has 1 to %(limit)d texts.") % {"limit": limit},
                value=found,
                remedy=_("Send what is more in several requests."),
            ),
        )
    return inputs


def _one(field: str, given: Any) -> Any:
    """The text of a list that has one; two are a pair to TEI."""
    if isinstance(given, list) and len(given) == 1:
        return given[0]
    raise InvalidField(
        field,
        InvalidRequest(
            code="inputs_pair",
            rule=_("A review is one text; the model that is served reads no pairs."),
            value=f"{len(given)} texts" if isinstance(given, list) else json_type(given),
            remedy=_('Send a list of lists with one text each: [["..."], ["..."]].'),
        ),
    )


def _texts(given: list[Any]) -> list[str]:
    texts = []
    for index, text in enumerate(given):
        try:
            texts.append(review_text(text))
        except InvalidText as error:
            field = "inputs" if len(given) == 1 else f"inputs[{index}]"
            raise InvalidField(field, error) from error
    return texts


def _refused(field: str, rule: str, value: str) -> InvalidField:
    return InvalidField(
        field,
        InvalidRequest(
            code="parameter_value",
            rule=rule,
            value=value,
            remedy=_("Leave it out, or send a value that is known."),
        ),
    )
