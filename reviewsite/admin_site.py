from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite


class AdminSite(UnfoldAdminSite):
    """The admin in django-unfold's look, with the page of the second factor."""

    index_title = _("Dashboard")

    def get_urls(self) -> list[Any]:
        from reviewsite.second_factor.page import second_factor

        return [path("second-factor/", second_factor, name="second_factor"), *super().get_urls()]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        context: dict[str, Any] = super().each_context(request)
        return context | {"wants_second_factor": settings.ADMIN_SECOND_FACTOR}

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the password or, of whoever has shown it, for the code."""
        from reviewsite.second_factor.middleware import is_half_in

        if request.method == "GET" and is_half_in(request):
            asked = urlencode({"next": request.GET.get("next", "")})
            return redirect(f"{reverse('admin:second_factor')}?{asked}")
        page: HttpResponse = super().login(request, extra_context)
        return page
