"""The page that asks for a code, sets an authenticator app up, and makes new backup codes."""

from base64 import b32encode
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import segno
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import logout
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods
from django_otp import login as keep_in_session
from django_otp.models import Device
from django_otp.plugins.otp_totp.models import TOTPDevice

from reviewsite.second_factor import devices
from reviewsite.second_factor.middleware import is_half_in

Found = TypeVar("Found")
QUIET_ZONE = 4  # modules around a QR code, as ISO/IEC 18004 wants


class CodeForm(forms.Form):
    code = forms.CharField(label=gettext_lazy("Code"), max_length=32)

    def clean_code(self) -> str:
        """As it is compared: apps show blanks between the digits."""
        return "".join(str(self.cleaned_data["code"]).split()).lower()


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def second_factor(request: HttpRequest) -> HttpResponse:
    """Ask whoever has shown a password for a code; show the others what they have set up."""
    if not settings.ADMIN_SECOND_FACTOR:
        raise Http404
    if request.user.is_authenticated:
        return _own(request, request.user)
    if not is_half_in(request):
        return redirect_to_login(_next(request), reverse("admin:login"))
    if "leave" in request.POST:
        logout(request)
        return redirect("admin:login")
    user: User = request.first_factor  # type: ignore[attr-defined]
    return _ask(request, user) if devices.app_of(user) else _set_up(request, user)


def _own(request: HttpRequest, user: Any) -> HttpResponse:
    if "codes" in request.POST:
        return _codes(request, devices.new_backup_codes(user))
    context = {"title": _("Second factor"), "left": devices.backup_codes_left(user)}
    return _page(request, "state", context | {"app": devices.app_of(user)})


def _ask(request: HttpRequest, user: User) -> HttpResponse:
    form = CodeForm(request.POST or None)
    if device := _right(form, partial(devices.verify, user)):
        _let_in(request, user, device)
        return redirect(_next(request))
    return _page(request, "ask", {"title": _("Second factor"), "form": form})


def _set_up(request: HttpRequest, user: User) -> HttpResponse:
    device, form = devices.begin(user), CodeForm(request.POST or None)
    if codes := _right(form, partial(devices.confirm, user)):
        _let_in(request, user, device)
        return _codes(request, codes)
    context = {
        "title": _("Set up the second factor"),
        "form": form,
        "address": device.config_url,
        "key": _typed(device),
        "picture": qr_code(device.config_url),
    }
    return _page(request, "set_up", context)


def _right(form: CodeForm, check: Callable[[str], Found]) -> Found | None:
    """What the check of the code gives; None for a wrong one, and then the form says why."""
    if form.is_valid():
        try:
            return check(form.cleaned_data["code"])
        except devices.WrongCode as error:
            form.add_error("code", _said(error))
    return None


def _said(error: devices.WrongCode) -> str:
    """What was wrong, and when to try again."""
    said = _("The code must be one that your app shows now, or a backup code not used yet.")
    if not error.seconds:
        return said
    wait = ngettext("Wait for %(count)d second.", "Wait for %(count)d seconds.", error.seconds)
    return f"{said} {wait % {'count': error.seconds}}"


def _let_in(request: HttpRequest, user: User, device: Device) -> None:
    request.user = user
    keep_in_session(request, device)
    request.session.cycle_key()  # whoever knew the session of before does not have this one


def _codes(request: HttpRequest, codes: list[str]) -> HttpResponse:
    return _page(request, "codes", {"title": _("Backup codes"), "codes": codes})


def _page(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    common = {**admin.site.each_context(request), "next": _next(request)}
    return TemplateResponse(request, f"admin/second_factor/{name}.html", common | context)


def _next(request: HttpRequest) -> str:
    asked = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        asked, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return asked if safe else reverse("admin:index")


def _typed(device: TOTPDevice) -> str:
    """The key for who types it, in fours."""
    key = b32encode(device.bin_key).decode()
    return " ".join(key[at : at + 4] for at in range(0, len(key), 4))


def qr_code(text: str) -> dict[str, Any]:
    """The side of a QR code's picture in modules, and the path of its dark ones."""
    matrix = segno.make(text, micro=False).matrix
    dark = [
        f"M{x + QUIET_ZONE} {y + QUIET_ZONE}h1v1h-1z"
        for y, row in enumerate(matrix)
        for x, module in enumerate(row)
        if module
    ]
    return {"side": len(matrix) + 2 * QUIET_ZONE, "path": "".join(dark)}
