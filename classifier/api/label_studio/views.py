from dataclasses import asdict
from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotFound
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from classifier.api.label_studio.annotations import SEND_EVENT, Received, receive
from classifier.api.label_studio.authentication import (
    SecretAuthentication,
    ShownSecretAuthentication,
)
from classifier.api.label_studio.label_config import (
    InvalidLabelConfig,
    LabelConfig,
    read_label_config,
)
from classifier.api.label_studio.serializers import (
    LabelStudioEventSerializer,
    LabelStudioHealthSerializer,
    LabelStudioReceivedSerializer,
    LabelStudioResultsSerializer,
    LabelStudioSetupRequestSerializer,
    LabelStudioSetupSerializer,
    LabelStudioTasksSerializer,
)
from classifier.api.label_studio.tasks import model_version, pre_annotations
from classifier.api.parsers import StrictJSONParser
from classifier.api.requests import InvalidField, InvalidRequest, require_object
from classifier.api.serializers import ErrorSerializer
from classifier.messages import message, told
from classifier.predictor import holder
from classifier.texts import json_type

SEND_TASKS = message(
    'Send {"tasks": [{"data": {"text": "..."}}], "label_config": "<View>...</View>"}.'
)


def responses(answer: type[Serializer], *codes: int) -> dict[Any, type[Serializer]]:
    """An answer, and the errors that every address here may have beside its own."""
    errors = {(code, "application/json"): ErrorSerializer for code in (404, 405, 406, 503, *codes)}
    return {200: answer, **errors}


class LabelStudioView(APIView):
    """Shut while the site has no secret for it. No cookie is read, so none is abused."""

    authentication_classes: tuple[type[BaseAuthentication], ...] = (SecretAuthentication,)
    permission_classes = (AllowAny,)
    parser_classes = (StrictJSONParser,)
    advice = {
        "not_found": (
            message("Label Studio is answered by a site that has a secret for it."),
            message("Set LABEL_STUDIO_SECRET; docs/how-to/label-studio.md says how."),
        ),
        "authentication_failed": (
            message(
                "A request must have the site's LABEL_STUDIO_SECRET: as the password of any user, "
                "or in the header Authorization: Token SECRET."
            ),
            message(
                "Set it in Label Studio: of the model under Settings > Model, of the webhook under "
                "Settings > Webhooks, Headers."
            ),
        ),
        "parse_error": (
            message("The body must be a JSON object in UTF-8."),
            message("Let Label Studio send it."),
        ),
        "unsupported_media_type": (
            message("The content type is application/json, in UTF-8."),
            message("Set the Content-Type header to application/json."),
        ),
        "method_not_allowed": (
            message("The address answers to the methods in the Allow header."),
            message("Use one of them; /api/docs lists them all."),
        ),
    }
    """Rule and remedy of the framework's own errors, for classifier.api.errors."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if not settings.LABEL_STUDIO_SECRET:
            raise NotFound(told(message("LABEL_STUDIO_SECRET is not set")))
        super().initial(request, *args, **kwargs)


class HealthView(LabelStudioView):
    # Open; but Label Studio tries the password here, and says of a 401 what is wrong.
    authentication_classes = (ShownSecretAuthentication,)

    @extend_schema(
        operation_id="label_studio_health",
        summary="Whether a model can answer",
        auth=[],
        responses=responses(LabelStudioHealthSerializer, 401),
    )
    def get(self, request: Request) -> Response:
        version = model_version()
        return Response(
            {
                "status": "UP",
                "model_class": type(holder.get()).__name__,
                "model_version": version,
            }
        )


class SetupView(LabelStudioView):
    @extend_schema(
        operation_id="label_studio_setup",
        summary="Connect a project: is its labelling configuration about sentiment?",
        description="The access token that Label Studio sends is neither read nor kept.",
        request=LabelStudioSetupRequestSerializer,
        responses=responses(LabelStudioSetupSerializer, 400, 401, 413, 415),
    )
    def post(self, request: Request) -> Response:
        data = require_object(request.data, message('Send {"schema": "<View>...</View>"}.'))
        _label_config(data, "schema")
        return Response({"model_version": model_version()})


class PredictView(LabelStudioView):
    @extend_schema(
        operation_id="label_studio_predict",
        summary="Pre-annotate the tasks of a project",
        request=LabelStudioTasksSerializer,
        responses=responses(LabelStudioResultsSerializer, 400, 401, 413, 415),
    )
    def post(self, request: Request) -> Response:
        data = require_object(request.data, SEND_TASKS)
        config = _label_config(data, "label_config")
        tasks = data.get("tasks")
        if not isinstance(tasks, list):
            refused = InvalidRequest(
                code="tasks_list",
                rule=message("tasks must be a list of tasks."),
                value=json_type(tasks),
                remedy=SEND_TASKS,
            )
            raise InvalidField("tasks", refused)
        return Response(pre_annotations(tasks, config))


class WebhookView(LabelStudioView):
    @extend_schema(
        operation_id="label_studio_webhook",
        summary="Give, change or withdraw a verdict as an annotation says",
        description="Other events are answered with 200, and nothing is done.",
        request=LabelStudioEventSerializer,
        responses=responses(LabelStudioReceivedSerializer, 400, 401, 413, 415),
    )
    def post(self, request: Request) -> Response:
        received: Received = receive(require_object(request.data, SEND_EVENT))
        return Response(asdict(received))


def _label_config(data: dict[str, Any], field: str) -> LabelConfig:
    """
    Raises:
        InvalidField: the field has no configuration in which a review can be rated.
    """
    try:
        return read_label_config(data.get(field))
    except InvalidLabelConfig as error:
        raise InvalidField(field, error) from error
