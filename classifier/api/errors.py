"""Every error of the API in one shape: which rule, what value, which remedy."""

import logging
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.db import InterfaceError, OperationalError
from django.http import UnreadablePostError
from rest_framework import exceptions, status
from rest_framework.response import Response

from classifier import bulk_http, predictor
from classifier.api.refusals import Refusal
from classifier.api.requests import InvalidField, InvalidRequest
from classifier.bulk.errors import TableError
from classifier.bulk_jobs.errors import BulkError
from classifier.exceptions import ClassifierError, ModelNotReady
from classifier.uploads import UploadRefused, not_one_file

logger = logging.getLogger(__name__)

# Rule and remedy of the framework's own errors, where a view has none of its own
ADVICE = {
    "parse_error": (
        "The body must be a JSON object in UTF-8, or a form.",
        'Send {"text": "..."} with Content-Type: application/json.',
    ),
    "unsupported_media_type": (
        "The content type is application/json or application/x-www-form-urlencoded, in UTF-8.",
        "Set the Content-Type header to application/json.",
    ),
    "method_not_allowed": (
        "The address answers to the methods in the Allow header.",
        "Use POST to rate a text.",
    ),
    "not_acceptable": ("The answer is JSON.", "Send Accept: application/json, or no Accept."),
}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: a response for the errors we know; None lets Django log it and answer 500."""
    match error:
        case InvalidField():
            return _response(status.HTTP_400_BAD_REQUEST, error.error, field=error.field)
        case InvalidRequest():
            return _response(status.HTTP_400_BAD_REQUEST, error)
        case Refusal():
            response = _response(error.status, error)
            for name, value in error.headers.items():
                response[name] = value
            return response
        case ModelNotReady():
            response = _response(status.HTTP_503_SERVICE_UNAVAILABLE, error)
            response["Retry-After"] = str(int(predictor.RETRY_SECONDS))
            return response
        case UploadRefused() | TableError() | BulkError() | bulk_http.ResultNotThere():
            response = _response(bulk_http.status_of(error), error, field=bulk_http.field_of(error))
            if response.status_code == status.HTTP_503_SERVICE_UNAVAILABLE:
                response["Retry-After"] = str(bulk_http.RETRY_SECONDS)
            return response
        case OperationalError() | InterfaceError():
            logger.warning("The database does not answer: %s", error)
            response = _response(status.HTTP_503_SERVICE_UNAVAILABLE, _database_not_ready(error))
            response["Retry-After"] = str(int(predictor.RETRY_SECONDS))
            return response
        case exceptions.APIException():
            return _from_framework(error, context)
    return _refused_body(error)


def _refused_body(error: Exception) -> Response | None:
    """For bodies that Django itself does not read to their end."""
    match error:
        case RequestDataTooBig():
            return _response(status.HTTP_413_REQUEST_ENTITY_TOO_LARGE, _body_too_large())
        case TooManyFieldsSent():
            return _response(
                status.HTTP_400_BAD_REQUEST,
                InvalidRequest(
                    code="too_many_fields",
                    rule=f"A form has {settings.DATA_UPLOAD_MAX_NUMBER_FIELDS} fields at most.",
                    value="more",
                    remedy="Send fewer texts in one request.",
                ),
            )
        case TooManyFilesSent():
            return _response(status.HTTP_400_BAD_REQUEST, not_one_file())
        case UnreadablePostError():
            return _response(
                status.HTTP_400_BAD_REQUEST,
                InvalidRequest(
                    code="body_cut_off",
                    rule="A request must be sent to its end.",
                    value="a connection that broke",
                    remedy="Send the request again; nothing of it was kept.",
                ),
            )
    return None


def error_detail(error: ClassifierError, *, field: str | None = None) -> dict[str, str | None]:
    """An error as ErrorDetailSerializer describes it."""
    return {
        "code": error.code,
        "field": field,
        "rule": error.rule,
        "value": error.value,
        "remedy": error.remedy,
    }


def _response(code: int, error: ClassifierError, *, field: str | None = None) -> Response:
    return Response({"error": error_detail(error, field=field)}, status=code)


def _database_not_ready(error: Exception) -> InvalidRequest:
    return InvalidRequest(
        code="database_not_ready",
        rule="The database must answer, so that what is said is kept.",
        value=type(error).__name__,
        remedy="Send the request again; nothing of it was kept.",
    )


def _body_too_large() -> InvalidRequest:
    return InvalidRequest(
        code="body_too_large",
        rule=f"A request may have {settings.DATA_UPLOAD_MAX_MEMORY_SIZE:,} bytes at most.",
        value="more",
        remedy="Send fewer or shorter texts in one request.",
    )


def _from_framework(error: exceptions.APIException, context: dict[str, Any]) -> Response:
    """DRF's own errors: what it found is theirs to say, rule and remedy are ours or the view's."""
    rule, remedy = {**ADVICE, **getattr(context["view"], "advice", {})}.get(
        error.default_code, ("The request must be allowed.", "See /api/docs.")
    )
    response = _response(
        error.status_code,
        InvalidRequest(code=error.default_code, rule=rule, value=str(error.detail), remedy=remedy),
    )
    if isinstance(error, exceptions.MethodNotAllowed):
        response["Allow"] = ", ".join(context["view"].allowed_methods)
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    return response
