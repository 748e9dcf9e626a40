from typing import Any

from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer, extend_schema
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from classifier.api.parsers import StrictFormParser, StrictJSONParser
from classifier.api.requests import rating_request
from classifier.api.serializers import (
    ErrorSerializer,
    PredictionListSerializer,
    PredictionSerializer,
    PredictRequestSerializer,
    prediction_answer,
)
from classifier.models import Prediction
from classifier.services import rate


class JSONNegotiation(DefaultContentNegotiation):
    """DRF's own, which takes apart the commonest headers anew in every request."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        if request.META.get("HTTP_ACCEPT", "*/*") in ("*/*", "application/json"):
            return renderers[0], renderers[0].media_type
        return super().select_renderer(request, renderers, format_suffix)  # type: ignore[no-any-return]


class PredictView(APIView):
    """Rates a text, or each text of a list. Open to all; no cookie is read, so none is abused."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (StrictJSONParser, StrictFormParser)
    content_negotiation_class = JSONNegotiation

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
        asked = rating_request(request.data)
        predictions = rate(asked.texts, source=Prediction.Source.API)
        results = [prediction_answer(prediction) for prediction in predictions]
        return Response({"results": results} if asked.is_list else results[0])
