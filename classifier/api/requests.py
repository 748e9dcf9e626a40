"""What a request to rate texts says, checked."""

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import QueryDict

from classifier.exceptions import ClassifierError, InvalidText
from classifier.services import review_text
from classifier.texts import json_type


class InvalidRequest(ClassifierError):
    """The request as a whole breaks a rule, whatever its texts."""


class InvalidField(Exception):
    """A field of the request breaks a rule."""

    def __init__(self, field: str, error: ClassifierError) -> None:
        self.field = field
        self.error = error
        super().__init__(f"{field}: {error}")


@dataclass(frozen=True)
class RatingRequest:
    texts: list[str]
    """Cleaned, in the order they came."""
    is_list: bool
    """Whether the request was for a list, and so must the answer be."""


def strict_json(body: bytes) -> Any:
    """JSON as RFC 8259 has it; no NaN or Infinity, no key twice.

    Raises:
        ValueError, RecursionError: it is not that.
    """
    return json.loads(
        body.decode("utf-8"),
        parse_constant=_refuse_constant,
        object_pairs_hook=_refuse_repeated_keys,
    )


def require_object(data: Any, example: str) -> dict[str, Any]:
    """`data`, where a body must be a JSON object such as `example`.

    Raises:
        InvalidRequest: it is something else.
    """
    if not isinstance(data, dict):
        raise InvalidRequest(
            code="not_an_object",
            rule="The body must be a JSON object.",
            value=json_type(data),
            remedy=f"Send {example}.",
        )
    return data


def rating_request(data: Any) -> RatingRequest:
    """Read `{"text": ...}`, `{"texts": [...]}` or a form with `text` or with `texts` repeated.

    Raises:
        InvalidRequest: not exactly one of the two, or a list that is no list, empty or too long.
        InvalidField: a text in it cannot be rated.
    """
    if isinstance(data, QueryDict):
        # A text given twice stays a list, so that it is refused and none of the two is lost.
        data = {
            key: values if key == "texts" or len(values) > 1 else values[0]
            for key, values in data.lists()
        }
    data = require_object(data, '{"text": "..."}')
    given = [name for name in ("text", "texts") if name in data]
    if len(given) != 1:
        raise InvalidRequest(
            code="text_missing",
            rule="A request has either the field text or the field texts.",
            value="both" if given else "neither",
            remedy='Send {"text": "..."} or {"texts": ["...", "..."]}.',
        )
    if given == ["text"]:
        return RatingRequest(texts=[_text("text", data["text"])], is_list=False)
    texts = data["texts"]
    limit = settings.CLASSIFIER_MAX_TEXTS
    if not isinstance(texts, list) or not 1 <= len(texts) <= limit:
        found = f"{len(texts)} texts" if isinstance(texts, list) else json_type(texts)
        raise InvalidRequest(
            code="texts_list",
            rule=f"texts must be a list of 1 to {limit} texts.",
            value=found,
            remedy=f"Send a list, and more than {limit} texts in several requests.",
        )
    return RatingRequest(
        texts=[_text(f"texts[{index}]", text) for index, text in enumerate(texts)], is_list=True
    )


def _text(field: str, value: object) -> str:
    try:
        return review_text(value)
    except InvalidText as error:
        raise InvalidField(field, error) from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:50]!r} stands twice")
        found[key] = value
    return found
