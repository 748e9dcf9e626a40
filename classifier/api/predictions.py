"""Predictions read by programs: a list in pages, and each by its id. They have texts in them."""

from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.cache import patch_cache_control, patch_vary_headers
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.authentication import SessionAuthentication
from rest_framework.exceptions import NotFound
from rest_framework.generics import ListAPIView
from rest_framework.pagination import CursorPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response

from classifier.api.base import ApiView, KeyAuthentication, errors
from classifier.api.keys import HeldKey, given_key
from classifier.api.prediction_filters import LONGEST_PAGE, filtered
from classifier.api.serializers import KeptPredictionSerializer
from classifier.messages import message, told
from classifier.models import Prediction, Scope
from classifier.ratings import HIGHEST, LOWEST

RATINGS = {"type": "integer", "minimum": LOWEST, "maximum": HIGHEST}
UNCHANGED = OpenApiParameter(
    "If-None-Match",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="The ETag of an earlier answer: 304 and no body while it is the same.",
)


def _query(name: str, kind: Any, said: str, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=said, **more)


def is_reader(request: HttpRequest) -> bool:
    """Whether it has the session of somebody who may see predictions in the admin."""
    user = getattr(request, "user", None)
    return bool(
        user and user.is_active and user.is_staff and user.has_perm("classifier.view_prediction")
    )


class KeyOrReader(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, HeldKey) or is_reader(request._request)


class ReadView(ApiView):
    """For keys with the scope read, and for the sessions of staff: nothing is changed here."""

    authentication_classes = (KeyAuthentication, SessionAuthentication)
    permission_classes = (KeyOrReader,)
    scope = Scope.READ
    http_method_names = ["get", "head", "options"]
    advice = {
        "not_found": (
            message(
                "A prediction has the id that POST /api/predict answered with, and a page the "
                "cursor of the one before it."
            ),
            message("Look at GET /api/predictions, and follow its next and previous."),
        ),
        "method_not_allowed": (
            message("The address answers to the methods in the Allow header."),
            message("Use GET to read predictions."),
        ),
    }

    def demands_key(self, request: Request) -> bool:
        return not self.opens_without_key(request)

    def opens_without_key(self, request: Request) -> bool:
        return given_key(request._request.META) is None and is_reader(request._request)

    def finalize_response(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, *args, **kwargs)
        patch_cache_control(response, private=True, no_cache=True)
        patch_vary_headers(response, ["Authorization", "Cookie"])
        return response


class Pages(CursorPagination):
    """The newest first; a prediction that comes meanwhile moves none to another page."""

    ordering = ("-created_at", "-pk")
    page_size = 50
    max_page_size = LONGEST_PAGE
    page_size_query_param = "limit"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (ValidationError, ValueError) as error:
            raise NotFound(self.invalid_cursor_message) from error  # it holds no time


class PredictionsView(ReadView, ListAPIView):
    serializer_class = KeptPredictionSerializer
    pagination_class = Pages

    def get_queryset(self) -> "QuerySet[Prediction]":
        predictions = Prediction.objects.select_related("model_version")
        return filtered(predictions, self.request.query_params)

    @extend_schema(
        operation_id="predictions_list",
        summary="Predictions, the newest first",
        description="next and previous are the addresses of the pages beside this one.",
        parameters=[
            UNCHANGED,
            _query("source", OpenApiTypes.STR, "By which door.", enum=Prediction.Source.values),
            _query("label", OpenApiTypes.STR, "A label of a model, such as POSITIVE."),
            _query("rating_min", RATINGS, "The lowest rating."),
            _query("rating_max", RATINGS, "The highest rating."),
            _query("model", OpenApiTypes.STR, "A model's name, or name@revision."),
            _query("since", OpenApiTypes.DATETIME, "Made then or later."),
            _query("until", OpenApiTypes.DATETIME, "Made before."),
        ],
        responses={
            200: KeptPredictionSerializer(many=True),
            304: None,
            **errors(400, 404),
        },
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)


class PredictionView(ReadView):
    @extend_schema(
        operation_id="prediction_read",
        summary="One prediction, with its text",
        parameters=[
            OpenApiParameter("prediction_id", OpenApiTypes.UUID, OpenApiParameter.PATH),
            UNCHANGED,
        ],
        responses={200: KeptPredictionSerializer, 304: None, **errors(404)},
    )
    def get(self, request: Request, prediction_id: str) -> Response:
        try:
            found = Prediction.objects.select_related("model_version").get(pk=UUID(prediction_id))
        except (ValueError, Prediction.DoesNotExist) as error:
            raise NotFound(told(message("no such prediction"))) from error
        return Response(KeptPredictionSerializer(found).data)
