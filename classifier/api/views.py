from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from classifier.api.parsers import StrictFormParser, StrictJSONParser
from classifier.api.predict import answer
from classifier.api.requests import rating_request
from classifier.api.serializers import (
    ErrorSerializer,
    PredictionListSerializer,
    PredictionSerializer,
    PredictRequestSerializer,
)

ANSWER = {
    "id": "4c1d1a4e-9d7f-4a6c-8b57-0d4f7f6f3f52",
    "label": "POSITIVE",
    "score": 0.93,
    "positive_probability": 0.93,
    "rating": 8,
    "rating_interval": [7, 10],
    "model": "starter@0123456789ab",
    "truncated": False,
}


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
            OpenApiExample("answer", ANSWER, response_only=True, status_codes=["200"]),
            OpenApiExample(
                "answers", {"results": [ANSWER]}, response_only=True, status_codes=["200"]
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        return Response(answer(rating_request(request.data)))
