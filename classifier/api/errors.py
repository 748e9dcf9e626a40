"""Every error of the API in one shape, those of DRF too: which rule, what value, which remedy."""

from typing import Any

from rest_framework import exceptions
from rest_framework.response import Response

from classifier.api.error_answers import ErrorAnswer, error_answer
from classifier.api.requests import InvalidRequest
from classifier.messages import message

# Rule and remedy of the framework's own errors, where a view has none of its own
ADVICE = {
    "parse_error": (
        message("The body must be a JSON object in UTF-8, or a form."),
        message('Send {"text": "..."} with Content-Type: application/json.'),
    ),
    "unsupported_media_type": (
        message(
            "The content type is application/json or application/x-www-form-urlencoded, in UTF-8."
        ),
        message("Set the Content-Type header to application/json."),
    ),
    "method_not_allowed": (
        message("The address answers to the methods in the Allow header."),
        message("Use POST to rate a text."),
    ),
    "not_acceptable": (
        message("The answer is JSON."),
        message("Send Accept: application/json, or no Accept."),
    ),
}
OTHERWISE = (message("The request must be allowed."), message("See /api/docs."))


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's hook: a response for the errors we know; None lets Django log it and answer 500."""
    if answer := error_answer(error):
        return _response(answer)
    if isinstance(error, exceptions.APIException):
        return _from_framework(error, context)
    return None


def _response(answer: ErrorAnswer) -> Response:
    return Response(answer.content, status=answer.status, headers=answer.headers)


def _from_framework(error: exceptions.APIException, context: dict[str, Any]) -> Response:
    """DRF's own errors: what it found is theirs to say, rule and remedy are ours or the view's."""
    rule, remedy = {**ADVICE, **getattr(context["view"], "advice", {})}.get(
        error.default_code, OTHERWISE
    )
    refused = InvalidRequest(
        code=error.default_code, rule=rule, value=str(error.detail), remedy=remedy
    )
    response = _response(ErrorAnswer(error.status_code, refused))
    if isinstance(error, exceptions.MethodNotAllowed):
        response["Allow"] = ", ".join(context["view"].allowed_methods)
    if header := getattr(error, "auth_header", None):
        response["WWW-Authenticate"] = header
    return response
