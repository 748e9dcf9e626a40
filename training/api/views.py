"""Training runs for programs: started, watched, cancelled and retried by staff."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.authentication import BasicAuthentication, SessionAuthentication
from rest_framework.exceptions import APIException, NotFound
from rest_framework.generics import ListAPIView
from rest_framework.pagination import PageNumberPagination
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from classifier.api.requests import InvalidField, InvalidRequest
from classifier.api.serializers import ErrorSerializer
from classifier.jobs.job import STATES
from classifier.messages import message, told
from training import services
from training.api.requests import start_request
from training.api.serializers import (
    RunDetailSerializer,
    RunSerializer,
    StartRequestSerializer,
    run_url,
)
from training.exceptions import InvalidRun
from training.models import TrainingRun
from training.start_rate import count_start

RUN_ID = OpenApiParameter("run_id", OpenApiTypes.UUID, OpenApiParameter.PATH)
HEAVY = ("config", "history", "log_tail")  # columns that a list does not show


def errors(*codes: int) -> dict[tuple[int, str], type[ErrorSerializer]]:
    return {(code, "application/json"): ErrorSerializer for code in (*codes, 401, 403, 406, 503)}


class StaffWithPermission(BasePermission):
    """Staff, with the same permissions of Django's as the admin asks for."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user, action = request.user, view.permission.get(request.method, "view")
        return bool(user and user.is_staff and user.has_perm(f"training.{action}_trainingrun"))


class RunOver(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "run_over"


class RunNotOver(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_code = "run_not_over"


class TrainingView(APIView):
    # Basic first: what it says of itself makes an answer without credentials a 401.
    authentication_classes = (BasicAuthentication, SessionAuthentication)
    permission_classes = (StaffWithPermission,)
    permission: dict[str, str] = {}
    """Which of Django's permissions a method needs; view where it is not said."""
    advice = {
        "parse_error": (
            message("The body must be a JSON object in UTF-8."),
            message('Send {"recipe": "..."} with Content-Type: application/json.'),
        ),
        "unsupported_media_type": (
            message("The content type is application/json, in UTF-8."),
            message("Set the Content-Type header to application/json."),
        ),
        "method_not_allowed": (
            message("The address answers to the methods in the Allow header."),
            message("Use one of them; /api/docs lists them all."),
        ),
        "not_found": (
            message("A run has the address that the request which started it was answered with."),
            message("Look at GET /api/training-runs."),
        ),
        "not_authenticated": (
            message("Training is for staff."),
            message(
                "Send a user and password by Basic authentication, or the cookie of a session."
            ),
        ),
        "authentication_failed": (
            message("Training is for staff who say who they are."),
            message("Check the user and the password."),
        ),
        "permission_denied": (
            message("Training is for staff with the permission to do this with training runs."),
            message("Ask for it; a session must send its X-CSRFToken, too."),
        ),
        "run_over": (
            message("Only a run that is not over can be cancelled."),
            message("There is nothing to do."),
        ),
        "run_not_over": (
            message("Only a run that failed, was cancelled or is paused can be retried."),
            message("Wait for its end, or start another run."),
        ),
    }
    """Rule and remedy of the framework's own errors, for classifier.api.errors."""

    def handle_exception(self, error: Exception) -> Response:
        if isinstance(error, InvalidRun):
            return super().handle_exception(_as_api_error(error))
        return super().handle_exception(error)


class Pages(PageNumberPagination):
    page_size = 50


class RunsView(TrainingView, ListAPIView):
    permission = {"POST": "add"}
    serializer_class = RunSerializer
    pagination_class = Pages

    def get_queryset(self) -> "QuerySet[TrainingRun]":
        runs = TrainingRun.objects.select_related("model_version", "started_by").defer(*HEAVY)
        newest_first: QuerySet[TrainingRun] = runs.order_by("-created_at", "-pk")
        return newest_first

    @extend_schema(
        operation_id="training_list",
        summary="All runs, the newest first",
        responses={200: RunSerializer(many=True), **errors(404)},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="training_start",
        summary="Start a run",
        description="The answer comes at once; a worker takes the run up. What would be wrong with "
        "it is said now.",
        request=StartRequestSerializer,
        responses={202: RunDetailSerializer, **errors(400, 405, 413, 415, 429)},
        examples=[
            OpenApiExample(
                "reviewed",
                {"name": "mine", "overrides": {"dataset": "reviewed", "base_model": "starter"}},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        count_start(request.user)
        asked = start_request(request.data)
        run = services.start_run(
            name=asked.name,
            recipe=asked.recipe,
            overrides=asked.overrides,
            started_by=request.user,
        )
        return _accepted(run.pk)


class RunView(TrainingView):
    @extend_schema(
        operation_id="training_read",
        summary="How far a run is, and what came of it",
        parameters=[RUN_ID],
        responses={200: RunDetailSerializer, **errors(404, 405)},
    )
    def get(self, request: Request, run_id: str) -> Response:
        return Response(RunDetailSerializer(_run(run_id)).data)


class RunCancelView(TrainingView):
    permission = {"POST": "change"}

    @extend_schema(
        operation_id="training_cancel",
        summary="Cancel a run: at once where it waits, soon where it is at work",
        description="Its checkpoints stay, and a retry goes on from them.",
        parameters=[RUN_ID],
        request=None,
        responses={202: RunDetailSerializer, **errors(404, 405, 409)},
    )
    def post(self, request: Request, run_id: str) -> Response:
        run = _run(run_id)
        if not services.cancel(run.pk) and _run(run_id).status != run.Status.CANCELLED:
            raise RunOver(_state_of(_run(run_id)))
        return _accepted(run.pk)


class RunRetryView(TrainingView):
    permission = {"POST": "change"}

    @extend_schema(
        operation_id="training_retry",
        summary="Take up a run that failed, was cancelled or is paused, from its last checkpoint",
        parameters=[RUN_ID],
        request=None,
        responses={202: RunDetailSerializer, **errors(404, 405, 409, 429)},
    )
    def post(self, request: Request, run_id: str) -> Response:
        run = _run(run_id)
        count_start(request.user)
        if not services.retry(run.pk):
            raise RunNotOver(_state_of(_run(run_id)))
        return _accepted(run.pk)


def _state_of(run: TrainingRun) -> str:
    state = STATES[run.Status(run.status)]
    return told(message("the run {name} is {status}", name=run.name, status=state))


def _run(run_id: str | UUID) -> TrainingRun:
    try:
        pk = run_id if isinstance(run_id, UUID) else UUID(run_id)
    except ValueError as error:
        raise NotFound from error
    runs = TrainingRun.objects.select_related("model_version", "started_by")
    run: TrainingRun | None = runs.filter(pk=pk).first()
    if run is None:
        raise NotFound
    return run


def _accepted(pk: UUID) -> Response:
    run = _run(pk)
    return Response(
        RunDetailSerializer(run).data,
        status=status.HTTP_202_ACCEPTED,
        headers={"Location": run_url(run)},
    )


def _as_api_error(error: InvalidRun) -> Exception:
    if error.field is not None:
        return InvalidField(error.field, error)
    return InvalidRequest(code=error.code, rule=error.rule, value=error.value, remedy=error.remedy)
