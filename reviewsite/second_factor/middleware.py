"""Who has not shown the second factor is nobody, at every door."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject


def second_factor(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Make `request.user` anonymous until a code was shown; `request.first_factor` is whose it was.

    No page and no view of the API has to ask, and none can forget to.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if settings.ADMIN_SECOND_FACTOR:
            user: Any = request.user
            request.first_factor = user  # type: ignore[attr-defined]
            request.user = SimpleLazyObject(  # type: ignore[assignment]
                lambda: user if user.is_anonymous or user.is_verified() else AnonymousUser()
            )
        return get_response(request)

    return middleware


def is_half_in(request: HttpRequest) -> bool:
    """Whether its session has shown a password and no code yet."""
    first = getattr(request, "first_factor", None)
    return bool(first and first.is_authenticated and not request.user.is_authenticated)
