from hashlib import sha256

from drf_spectacular.utils import OpenApiExample, PolymorphicProxySerializer, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from classifier.api.admission import admit
from classifier.api.base import IDEMPOTENCY_KEY, ApiView, errors
from classifier.api.idempotency import turn, wants_turn
from classifier.api.parsers import StrictFormParser, StrictJSONParser
from classifier.api.predict import answer
from classifier.api.requests import rating_request
from classifier.api.serializers import (
    PredictFormSerializer,
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
    "probabilities": {"NEGATIVE": 0.07, "POSITIVE": 0.93},
    "model": "starter@0123456789ab",
    "truncated": False,
    "language": "en",
    "explanation": None,
}
EXPLAINED = ANSWER | {
    "explanation": {
        "method": "occlusion",
        "model": "starter@0123456789ab",
        "base": 0.93,
        "sentence_count": 2,
        "sentences": [
            {"start": 0, "end": 17, "contribution": -0.04},
            {"start": 18, "end": 42, "contribution": 0.71},
        ],
        "words": [{"start": 20, "end": 23, "contribution": 0.66}],
        "words_measured": True,
    }
}


class PredictView(ApiView):
    """Rates a text, or each text of a list."""

    parser_classes = (StrictJSONParser, StrictFormParser)

    @extend_schema(
        operation_id="predict",
        summary="Rate a review, or a list of them",
        parameters=[IDEMPOTENCY_KEY],
        request={
            "application/json": PredictRequestSerializer,
            "application/x-www-form-urlencoded": PredictFormSerializer,
        },
        responses={
            200: PolymorphicProxySerializer(
                component_name="PredictResponse",
                serializers=[PredictionSerializer, PredictionListSerializer],
                resource_type_field_name=None,
            ),
            **errors(400, 409, 413, 422),
        },
        examples=[
            OpenApiExample("one", {"text": "A joy from start to end."}, request_only=True),
            OpenApiExample("list", {"texts": ["A joy.", "A bore."]}, request_only=True),
            OpenApiExample(
                "explained",
                {"text": "It begins slowly. A joy from start to end.", "explain": True},
                request_only=True,
            ),
            OpenApiExample(
                "pair",
                {"text": "Is water wet?", "text_pair": "Water is a liquid …"},
                request_only=True,
            ),
            OpenApiExample("answer", ANSWER, response_only=True, status_codes=["200"]),
            OpenApiExample("explained answer", EXPLAINED, response_only=True, status_codes=["200"]),
            OpenApiExample(
                "answers", {"results": [ANSWER]}, response_only=True, status_codes=["200"]
            ),
        ],
    )
    def post(self, request: Request) -> Response:
        sent = request._request
        if not wants_turn(sent):
            return Response(answer(rating_request(request.data)))
        body = sha256(f"{sent.content_type}\n".encode() + sent.body).digest()
        asked = rating_request(request.data)
        with turn(sent, admit(sent, self.scope), body) as mine:
            replayed = {"Idempotent-Replayed": "true"} if mine.made else {}
            return Response(answer(asked, mine), headers=replayed)
