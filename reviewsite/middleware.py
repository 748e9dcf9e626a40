"""What every request passes through before Django's own middleware reads it."""

import logging
import time
from collections.abc import Callable
from functools import cache
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from classifier import metrics as figures
from reviewsite.health import livez, readyz, startupz
from reviewsite.logs import request_id
from reviewsite.metrics import metrics

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5  # a database that restarts is back by then


PREDICT = "/api/predict"
OTHER = "other"  # static files, redirects, and what is not there
VERSIONED = "/api/v1/"  # the API has one version; its schema says which
PROBES = {"/livez": livez, "/startupz": startupz, "/readyz": readyz, "/metrics": metrics}


def probes(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer what balancers ask, whatever Host they name and without HTTPS: they ask by address."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return PROBES.get(request.path, get_response)(request)

    return middleware


def observed(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Give every request an id, which its answer and its logs carry, and count and time it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        token = request_id.enter(request_id.accepted(request.META.get("HTTP_X_REQUEST_ID")))
        try:
            response = get_response(request)
            response.headers[request_id.HEADER] = request_id.current()
        finally:
            request_id.leave(token)
        route = PREDICT if request.path_info == PREDICT else _route(request)
        seconds = figures.request_seconds(route, request.method or "", response.status_code)
        seconds.observe(time.perf_counter() - started)
        return response

    return middleware


def _route(request: HttpRequest) -> str:
    """The pattern of the address and not the address, of which there are any number."""
    match = request.resolver_match
    return f"/{match.route}" if match else OTHER


def without_foreign_charset(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Ignore the Content-Type's charset where it has no meaning: multipart forms and addresses.

    Django would decode them with whatever codec of Python's the client names: some raise, which
    is a 500, and utf-7 gives lone surrogates. A plain form in another charset Django refuses.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method in ("GET", "HEAD") or (
            request.content_type != "application/x-www-form-urlencoded"
        ):
            request.encoding = settings.DEFAULT_CHARSET
        return get_response(request)

    return middleware


def predictions_first(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Hand POST /api/predict to its view at once: the middleware below is for pages.

    Sessions, users, messages and CSRF tokens cost such a request as much as its database write.
    What of them concerns an answer for programs is done here.
    """
    from classifier.api.predict import plain_answer

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(VERSIONED):
            request.path_info = "/api/" + request.path_info.removeprefix(VERSIONED)
        if request.path_info != PREDICT:
            return get_response(request)
        request.get_host()  # refuses those that are not in ALLOWED_HOSTS
        response = plain_answer(request) or _full_answer(request)
        response.headers["Content-Length"] = str(len(response.content))
        return response

    return middleware


def _full_answer(request: HttpRequest) -> HttpResponse:
    """By way of the framework, and what goes wrong in the language that the request asks for."""
    from classifier.api.language import language_of, say_language

    with language_of(request) as language:
        response: HttpResponse = _predict_view()(request).render()
    if response.status_code >= 400:
        say_language(response, language)
    return response


@cache
def _predict_view() -> Callable[[HttpRequest], Any]:
    from classifier.api.views import PredictView

    return PredictView.as_view()


class DatabaseOutage:
    """A page that says so where the database does not answer; 503, for it is not for ever."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not isinstance(error, OperationalError | InterfaceError):
            return None
        logger.warning("The database does not answer: %s", error)
        response = render(request, "503.html", status=503)
        response["Retry-After"] = str(RETRY_SECONDS)
        return response
