"""The forms of others: Hugging Face's Inference API, and Text Embeddings Inference.

Their clients work unmodified. What they are told is kept as any other prediction.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from classifier.api.base import ApiView
from classifier.api.inference_requests import Asked, Function, hub_request, tei_request
from classifier.api.parsers import StrictJSONParser
from classifier.api.requests import InvalidField, InvalidRequest
from classifier.api.serializers import (
    HubRequestSerializer,
    InferenceErrorSerializer,
    TeiRequestSerializer,
)
from classifier.classification import Classification
from classifier.messages import message, told
from classifier.models import Prediction
from classifier.services import rate_fully
from classifier.task import WrongPair
from classifier.windows import softmax

SCORES = {
    "type": "array",
    "description": "The likeliest first.",
    "items": {
        "type": "object",
        "properties": {"label": {"type": "string"}, "score": {"type": "number"}},
        "required": ["label", "score"],
    },
}
NESTED = {"type": "array", "items": SCORES}
ANSWER = [{"label": "POSITIVE", "score": 0.93}, {"label": "NEGATIVE", "score": 0.07}]
TOO_LARGE = {"body_too_large", "text_too_long", "texts_list"}
EMPTY = {"text_blank", "inputs_missing"}


def _responses(answer: dict[str, Any], *codes: int) -> dict[Any, Any]:
    told = (400, 401, 403, 405, 406, 413, 415, 429, 503, *codes)
    return {
        200: OpenApiResponse(answer),
        **{(code, "application/json"): InferenceErrorSerializer for code in sorted(told)},
    }


class InferenceView(ApiView):
    """Answers labels with their scores, and errors as the clients of these forms read them."""

    parser_classes = (StrictJSONParser,)
    advice = {
        "method_not_allowed": (
            message("The address answers to the methods in the Allow header."),
            message('Use POST with {"inputs": "..."}.'),
        ),
        "parse_error": (
            message("The body must be a JSON object in UTF-8."),
            message('Send {"inputs": "..."} with Content-Type: application/json.'),
        ),
        "unsupported_media_type": (
            message("The content type is application/json, in UTF-8."),
            message("Set the Content-Type header to application/json."),
        ),
    }

    pair_remedies: Mapping[str, str] = {}
    """What to do here about a second text that is missing or too many, by the error's code."""

    def handle_exception(self, error: Exception) -> Response:
        response = super().handle_exception(error)
        said = response.data["error"]
        field = f"{said['field']}: " if said["field"] else ""
        parts = {name: said[name] for name in ("rule", "value", "remedy")}
        response.data = {
            "error": field + told(message("{rule} Found: {value}. {remedy}", **parts)),
            "error_type": error_type(response.status_code, said["code"]),
        }
        response.status_code = self.status_of(response.status_code, said["code"])
        return response

    def status_of(self, status: int, code: str) -> int:
        return status

    def answer(self, asked: Asked) -> Response:
        try:
            rated = rate_fully(asked.texts, source=Prediction.Source.API, pairs=asked.pairs)
        except WrongPair as error:
            refused = _told_here(error, self.pair_remedies[error.code])
            raise InvalidField("inputs", refused) from error
        answers = [scores(one.said, asked.function)[: asked.top] for one in rated]
        return Response(answers if asked.is_nested else answers[0])


class HubView(InferenceView):
    pair_remedies = {
        "text_pair_missing": message("Ask /api/predict, with text_pair beside text."),
    }

    @extend_schema(
        operation_id="inference",
        summary="Rate as Hugging Face's Inference API does",
        description="For huggingface_hub.InferenceClient(model=this address)"
        ".text_classification(...), with a key of this site as its token. A list for each text.",
        request=HubRequestSerializer,
        responses=_responses(NESTED),
        examples=[
            OpenApiExample("one", {"inputs": "A joy from start to end."}, request_only=True),
            OpenApiExample("scores", [ANSWER], response_only=True, status_codes=["200"]),
        ],
    )
    def post(self, request: Request) -> Response:
        return self.answer(hub_request(request.data))


class TeiView(InferenceView):
    pair_remedies = {
        "text_pair_missing": message('Send both in one list: {"inputs": ["...", "..."]}.'),
        "text_pair_unread": message('Send a list of lists with one text each: [["..."], ["..."]].'),
    }

    @extend_schema(
        operation_id="tei_predict",
        summary="Rate as Text Embeddings Inference does",
        description="A list of scores for one text; for a list of lists, such a list for each. "
        "Two texts in one list are a pair, such as a question and a passage, for a model that "
        "reads pairs.",
        request=TeiRequestSerializer,
        responses=_responses({"oneOf": [SCORES, NESTED]}, 422),
        examples=[
            OpenApiExample("one", {"inputs": "A joy from start to end."}, request_only=True),
            OpenApiExample("list", {"inputs": [["A joy."], ["A bore."]]}, request_only=True),
            OpenApiExample(
                "pair", {"inputs": ["Is water wet?", "Water is a liquid …"]}, request_only=True
            ),
            OpenApiExample("scores", ANSWER, response_only=True, status_codes=["200"]),
        ],
    )
    def post(self, request: Request) -> Response:
        return self.answer(tei_request(request.data))

    def status_of(self, status: int, code: str) -> int:
        """TEI's own: 413 for what is too large, 422 for what is not understood."""
        if status != 400 or code in EMPTY or code == "parse_error":
            return status
        return 413 if code in TOO_LARGE else 422


def _told_here(error: WrongPair, remedy: str) -> InvalidRequest:
    """The same, with what to do about it in this form."""
    return InvalidRequest(
        code=error.code,
        rule=error.rule,
        value=error.value,
        remedy=remedy,
    )


def scores(said: Classification, function: Function) -> list[dict[str, Any]]:
    """Each label with its score, the highest first."""
    outputs = np.asarray(said.logits)
    match function:
        case "softmax":
            outputs = softmax(outputs)
        case "sigmoid":
            outputs = np.exp(-np.logaddexp(0.0, -outputs))
    order = np.argsort(-outputs, kind="stable")
    return [{"label": said.labels[index], "score": float(outputs[index])} for index in order]


def error_type(status: int, code: str) -> str:
    """TEI's name for a kind of error."""
    if status == 429:
        return "Overloaded"
    if status >= 500:
        return "Unhealthy"
    return "Empty" if code in EMPTY else "Validation"
