import json
from typing import Any, cast

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from classifier.api.errors import InvalidField, InvalidRequest, exception_handler
from classifier.api.parsers import StrictFormParser, StrictJSONParser, strict_json
from classifier.api.requests import RatingRequest, rating_request
from classifier.api.serializers import (
    ErrorSerializer,
    PredictionListSerializer,
    PredictionSerializer,
    PredictRequestSerializer,
    prediction_answer,
)
from classifier.exceptions import ModelNotReady
from classifier.models import Prediction
from classifier.services import rate


class PredictView(APIView):
    """Rates a text, or each text of a list. Open to all; no cookie is read, so none is abused."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (StrictJSONParser, StrictFormParser)

    @extend_schema(
        operation_id="predict",
        summary="Rate a review, or a list of them",
        request=PredictRequestSerializer,
        responses={
            200: PolymorphicProxySerializer(
                component_name="PredictResponse",
                serializers=[PredictionSerializer, PredictionListSerializer],
                resource_type_field_name=None,
            ),
            (400, "application/json"): ErrorSerializer,
            (405, "application/json"): ErrorSerializer,
            (406, "application/json"): ErrorSerializer,
            (413, "application/json"): ErrorSerializer,
            (415, "application/json"): ErrorSerializer,
            (503, "application/json"): ErrorSerializer,
        },
        examples=[
            OpenApiExample("one", {"text": "A joy from start to end."}, request_only=True),
            OpenApiExample("list", {"texts": ["A joy.", "A bore."]}, request_only=True),
        ],
    )
    def post(self, request: Request) -> Response:
        return Response(_answer(rating_request(request.data)))


def plain_answer(request: HttpRequest) -> HttpResponse | None:
    """What PredictView answers to a request as most programs send it, without the framework.

    None for any other request, and for one that is refused: those are PredictView's to answer.
    """
    if (
        request.method != "POST"
        or request.META.get("CONTENT_TYPE") != "application/json"
        or request.META.get("HTTP_ACCEPT", "*/*") not in ("*/*", "application/json")
    ):
        return None
    try:
        asked = rating_request(strict_json(request.body))
    except UnreadablePostError as error:
        return _refusal(error)  # the body cannot be asked for twice
    except (ValueError, RecursionError, SuspiciousOperation, InvalidRequest, InvalidField):
        return None
    try:
        return _json(_answer(asked))
    except (ModelNotReady, OperationalError, InterfaceError) as error:
        return _refusal(error)


def _refusal(error: Exception) -> HttpResponse:
    refused = cast(Response, exception_handler(error, {}))
    response = _json(refused.data, refused.status_code)
    if "Retry-After" in refused:
        response["Retry-After"] = refused["Retry-After"]
    return response


def _json(content: Any, status: int = 200) -> HttpResponse:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(body, content_type="application/json", status=status)


def _answer(asked: RatingRequest) -> dict[str, Any]:
    predictions = rate(asked.texts, source=Prediction.Source.API)
    results = [prediction_answer(prediction) for prediction in predictions]
    return {"results": results} if asked.is_list else results[0]
