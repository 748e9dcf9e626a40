"""Who guesses passwords at the admin's login is locked out for a while; django-axes counts."""

import ipaddress
from datetime import timedelta
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from classifier.api.addresses import client_address


def address_of(request: HttpRequest) -> str | None:
    """Whom the API's limits see, as a column of addresses holds it: of a network, the first one.

    None where the server knows no address, as behind a Unix socket.
    """
    found = client_address(request.META, proxies=settings.NUM_PROXIES).partition("/")[0]
    try:
        return str(ipaddress.ip_address(found))
    except ValueError:
        return None


def locked_out(
    request: HttpRequest, response: HttpResponse, credentials: dict[str, Any] | None
) -> HttpResponse:
    """The page that says so, in place of the login's answer; 429."""
    context = {
        "title": "",
        "failures": settings.LOGIN_FAILURES,
        "minutes": settings.LOGIN_LOCK_MINUTES,
    }
    page = render(request, "admin/locked.html", context, status=429)
    page["Retry-After"] = str(60 * settings.LOGIN_LOCK_MINUTES)
    return page


def purge_failures() -> int:
    """Delete failed logins that lock nobody out any more; how many there were."""
    ended = timezone.now() - timedelta(minutes=settings.LOGIN_LOCK_MINUTES)
    deleted, _by_model = AccessAttempt.objects.filter(attempt_time__lt=ended).delete()
    return int(deleted)
