"""What every request passes through before Django's own middleware reads it."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from reviewsite.health import livez, readyz

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5  # a database that restarts is back by then


PROBES = {"/livez": livez, "/readyz": readyz}


def probes(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Answer what balancers ask, whatever Host they name and without HTTPS: they ask by address."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return PROBES.get(request.path, get_response)(request)

    return middleware


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
