"""What visitors say of an answer, sent by the program that showed it to them."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from classifier.api.base import ApiView, errors
from classifier.api.parsers import StrictJSONParser
from classifier.api.requests import InvalidField, require_object
from classifier.api.serializers import FeedbackRequestSerializer, FeedbackSerializer
from classifier.exceptions import InvalidText
from classifier.messages import message, told
from classifier.models import Feedback, Prediction, Scope
from classifier.review.feedback import MAX_VISITOR_CHARS, give_feedback
from classifier.review.judgement import InvalidJudgement, read_label_of, read_rating_of
from classifier.texts import clean_review_text

SEND = message('Send {"right": true}, or {"label": "NEGATIVE", "rating": 3}.')
PREDICTION_ID = OpenApiParameter("prediction_id", OpenApiTypes.UUID, OpenApiParameter.PATH)


class FeedbackView(ApiView):
    scope = Scope.FEEDBACK
    parser_classes = (StrictJSONParser,)
    advice = {
        "not_found": (
            message("Feedback is given to a prediction of this site."),
            message("Use the id of the answer to POST /api/predict."),
        ),
        "method_not_allowed": (
            message("The address answers to the methods in the Allow header."),
            message("Use POST to say what the visitor says."),
        ),
    }

    @extend_schema(
        operation_id="feedback",
        summary="Say whether an answer is right, or what it should have been",
        description="It is reviewed by a person; the prediction stays as it is. The same visitor "
        "may say it again, which takes the place of what was said before.",
        parameters=[PREDICTION_ID],
        request=FeedbackRequestSerializer,
        responses={
            200: FeedbackSerializer,
            **errors(400, 404, 413),
        },
        examples=[
            OpenApiExample("right", {"right": True, "visitor": "ann"}, request_only=True),
            OpenApiExample("wrong", {"label": "NEGATIVE", "rating": 3}, request_only=True),
        ],
    )
    def post(self, request: Request, prediction_id: str) -> Response:
        prediction = _prediction(prediction_id)
        said = require_object(request.data, SEND)
        try:
            label, rating = _said_of(prediction, said)
        except InvalidJudgement as error:
            raise InvalidField(error.field, error) from error
        feedback = give_feedback(
            prediction,
            visitor=f"api {_visitor(said.get('visitor'))}",
            label=label,
            rating=rating,
            source=Feedback.Source.API,
        )
        return Response(FeedbackSerializer(feedback).data, status=status.HTTP_200_OK)


def _prediction(prediction_id: str) -> Prediction:
    try:
        return Prediction.objects.select_related("model_version").get(pk=UUID(prediction_id))
    except (ValueError, Prediction.DoesNotExist) as error:
        raise NotFound(told(message("no such prediction"))) from error


def _said_of(prediction: Prediction, said: dict[str, Any]) -> tuple[str, int | None]:
    if "right" not in said:
        task = prediction.model_version.task
        return read_label_of(task, said.get("label")), read_rating_of(task, said.get("rating"))
    if said["right"] is True and not {"label", "rating"} & said.keys():
        return prediction.label, prediction.rating
    raise InvalidJudgement(
        "right",
        code="feedback_unclear",
        rule=message("Feedback is either right: true, or a label and a rating."),
        value=message("right with a label or a rating")
        if said["right"] is True
        else str(said["right"])[:50],
        remedy=SEND,
    )


def _visitor(given: Any) -> str:
    """The program's own name for its visitor; programs that give none are one visitor."""
    if given is None:
        return ""
    try:
        return clean_review_text(given, max_chars=MAX_VISITOR_CHARS)
    except InvalidText as error:
        raise InvalidField("visitor", error) from error
