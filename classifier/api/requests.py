"""What a request to rate texts says, checked."""

import json
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import QueryDict

from classifier import nesting
from classifier.exceptions import ClassifierError, InvalidText
from classifier.explanation.contributions import METHODS, OCCLUSION
from classifier.messages import counted, message
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


PAIR_FIELDS = {"text": "text_pair", "texts": "text_pairs"}


@dataclass(frozen=True)
class RatingRequest:
    texts: list[str]
    """Cleaned, in the order they came."""
    is_list: bool
    """Whether the request was for a list, and so must the answer be."""
    explain: str | None = None
    """By which method each answer is explained; None where it is not."""
    starts: tuple[int, ...] = ()
    """Where each text begins in what was sent, in characters."""
    pairs: list[str] | None = None
    """The second text of each, cleaned; None where there is none."""

    @property
    def pair_field(self) -> str:
        """Where second texts stand, or would."""
        return PAIR_FIELDS["texts" if self.is_list else "text"]


def strict_json(body: bytes) -> Any:
    """JSON as RFC 8259 has it; no NaN or Infinity, no key twice.

    Raises:
        ValueError: it is not that.
        InvalidRequest: it is nested deeper than `nesting.MOST`.
    """
    text = body.decode("utf-8")
    if levels := nesting.levels_beyond(text):
        raise InvalidRequest(
            code="json_too_deep",
            rule=message(
                "JSON may have {most} levels of lists and objects, one in the other, at most.",
                most=nesting.MOST,
            ),
            value=counted("{count} level", "{count} levels", count=levels),
            remedy=message(
                "Send what it is about without the levels around it; /api/docs shows how."
            ),
        )
    return json.loads(
        text,
        parse_constant=_refuse_constant,
        object_pairs_hook=_refuse_repeated_keys,
    )


def require_object(data: Any, remedy: str) -> dict[str, Any]:
    """`data`, where a body must be a JSON object; `remedy` says which.

    Raises:
        InvalidRequest: it is something else.
    """
    if not isinstance(data, dict):
        raise InvalidRequest(
            code="not_an_object",
            rule=message("The body must be a JSON object."),
            value=json_type(data),
            remedy=remedy,
        )
    return data


def rating_request(data: Any) -> RatingRequest:
    """Read `{"text": ...}`, `{"texts": [...]}` or a form with `text` or with `texts` repeated.

    Second texts stand in `text_pair` beside `text`, or in `text_pairs` beside `texts`.

    Raises:
        InvalidRequest: not exactly one of the two, or a list that is no list, empty or too long;
            or second texts that are not as many.
        InvalidField: a text in it cannot be rated, or not be explained.
    """
    if isinstance(data, QueryDict):
        # A text given twice stays a list, so that it is refused and none of the two is lost.
        data = {
            key: values if key in ("texts", "text_pairs") or len(values) > 1 else values[0]
            for key, values in data.lists()
        }
    data = require_object(data, message('Send {"text": "..."}.'))
    given = [name for name in ("text", "texts") if name in data]
    if len(given) != 1:
        raise InvalidRequest(
            code="text_missing",
            rule=message("A request has either the field text or the field texts."),
            value=message("both") if given else message("neither"),
            remedy=message('Send {"text": "..."} or {"texts": ["...", "..."]}.'),
        )
    _require_fitting_pairs(given[0], data)
    if given == ["text"]:
        return RatingRequest(
            texts=[_text("text", data["text"])],
            is_list=False,
            explain=_explain(data, 1),
            starts=_starts([data["text"]]),
            pairs=[_text("text_pair", data["text_pair"])] if "text_pair" in data else None,
        )
    texts = data["texts"]
    limit = settings.CLASSIFIER_MAX_TEXTS
    if not isinstance(texts, list) or not 1 <= len(texts) <= limit:
        raise InvalidRequest(
            code="texts_list",
            rule=message("texts must be a list of 1 to {limit} texts.", limit=limit),
            value=list_found(texts),
            remedy=message(
                "Send a list, and more than {limit} texts in several requests.", limit=limit
            ),
        )
    return RatingRequest(
        texts=_texts("texts", texts),
        is_list=True,
        explain=_explain(data, len(texts)),
        starts=_starts(texts),
        pairs=_texts("text_pairs", data["text_pairs"]) if "text_pairs" in data else None,
    )


def _require_fitting_pairs(first: str, data: dict[str, Any]) -> None:
    """Second texts stand in the field that belongs to the first ones, and are as many."""
    pairs = PAIR_FIELDS[first]
    strange = [name for name in PAIR_FIELDS.values() if name in data and name != pairs]
    if strange:
        raise InvalidRequest(
            code="text_pair_field",
            rule=message("text_pair stands beside text, and text_pairs beside texts."),
            value=message("{second} beside {first}", second=strange[0], first=first),
            remedy=message("Send {second} beside {first}.", second=pairs, first=first),
        )
    if first == "texts" and pairs in data and isinstance(data["texts"], list):
        seconds = data[pairs]
        if not isinstance(seconds, list) or len(seconds) != len(data["texts"]):
            raise InvalidRequest(
                code="text_pairs_list",
                rule=message("text_pairs is a list with one second text for each of texts."),
                value=message(
                    "{seconds} beside {texts}",
                    seconds=list_found(seconds),
                    texts=list_found(data["texts"]),
                ),
                remedy=message("Send as many of the one as of the other."),
            )


def _texts(field: str, values: list[object]) -> list[str]:
    return [_text(f"{field}[{index}]", value) for index, value in enumerate(values)]


def _text(field: str, value: object) -> str:
    try:
        return review_text(value)
    except InvalidText as error:
        raise InvalidField(field, error) from error


def _starts(texts: list[str]) -> tuple[int, ...]:
    return tuple(len(text) - len(text.lstrip()) for text in texts)


def _explain(data: dict[str, Any], texts: int) -> str | None:
    """The method that explanations are asked for by; None where none are asked for.

    Raises:
        InvalidField: what is said of them breaks a rule.
    """
    said = data.get("explain", False)
    said = {"true": True, "false": False}.get(said, said) if isinstance(said, str) else said
    method = data.get("explain_method", OCCLUSION)
    if not isinstance(said, bool):
        refused = InvalidRequest(
            code="explain_type",
            rule=message("explain is true or false."),
            value=json_type(said),
            remedy=message('Send "explain": true, or leave it out.'),
        )
        raise InvalidField("explain", refused)
    if method not in METHODS:
        refused = InvalidRequest(
            code="explain_method",
            rule=message("explain_method is one of {known}.", known=", ".join(METHODS)),
            value=repr(method[:50]) if isinstance(method, str) else json_type(method),
            remedy=message("Choose one of them, or leave it out for {default}.", default=OCCLUSION),
        )
        raise InvalidField("explain_method", refused)
    if said and texts > most_explained():
        refused = InvalidRequest(
            code="explain_many",
            rule=message(
                "One request may ask for {limit} explanations at most.", limit=most_explained()
            ),
            value=counted("{count} text", "{count} texts", count=texts),
            remedy=message("Send fewer texts in one request, or leave explain out."),
        )
        raise InvalidField("explain", refused)
    return method if said else None


def list_found(given: object) -> str:
    """How many texts a list has, or what else it is."""
    if isinstance(given, list):
        return counted("{count} text", "{count} texts", count=len(given))
    return json_type(given)


def most_explained() -> int:
    """Texts of one request that may be explained: as costly as rating CLASSIFIER_MAX_TEXTS."""
    return max(1, int(settings.CLASSIFIER_MAX_TEXTS / settings.CLASSIFIER_EXPLAIN_COST))


def _refuse_constant(name: str) -> None:
    raise ValueError(message("{name} is not JSON", name=name))


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(message("the key {key} stands twice", key=repr(key[:50])))
        found[key] = value
    return found
