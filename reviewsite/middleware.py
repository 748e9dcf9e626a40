"""What every request passes through before Django's own middleware reads it."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse


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
