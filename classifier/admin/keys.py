from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from classifier.admin.base import NextStep, SiteAdmin
from classifier.models import ApiKey, Scope


class ApiKeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        label=_("Opens"), choices=Scope.choices, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "limit_per_minute", "expires_at")


@admin.register(ApiKey)
class ApiKeyAdmin(SiteAdmin):
    """Keys are made and revoked here; the key itself is shown once, when it is made."""

    form = ApiKeyForm
    fields = ("name", "scopes", "limit_per_minute", "expires_at")
    list_display = (
        *("name", "begins_with", "scopes", "limit_per_minute", "expires_at", "revoked_at"),
        *("last_used_at", "created_by"),
    )
    list_filter = ("revoked_at", "expires_at")
    list_select_related = ("created_by",)
    search_fields = ("name", "prefix")
    search_help_text = _("A part of a name, or how a key begins")
    actions = ("revoke",)
    next_step = NextStep(
        _("No key has been made yet"),
        _("A key opens the API to a program where API_KEYS asks for one, and tells who calls."),
        "admin:classifier_apikey_add",
        _("Make a key"),
    )

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False  # a revoked key says who used it, and when

    @admin.display(description=_("begins with"), ordering="prefix")
    def begins_with(self, key: ApiKey) -> str:
        return f"{key.prefix}…"

    def save_model(self, request: HttpRequest, key: ApiKey, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, key, form, change)
            return
        made, request._secret = ApiKey.objects.issue(  # type: ignore[attr-defined]
            key.name,
            scopes=key.scopes,
            actor=request.user,
            expires_at=key.expires_at,
            limit_per_minute=key.limit_per_minute,
        )
        key.pk, key.prefix = made.pk, made.prefix

    def response_add(
        self, request: HttpRequest, key: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The page with the key itself, and no redirect: nothing keeps it in between."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("The key of %(name)s") % {"name": key.name},
            "opts": self.opts,
            "secret": request._secret,  # type: ignore[attr-defined]
        }
        page = TemplateResponse(request, "admin/classifier/apikey/issued.html", context)
        add_never_cache_headers(page)
        return page

    @admin.action(description=_("Revoke for ever"), permissions=["change"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        count = sum(key.revoke(request.user) for key in queryset)
        self.message_user(
            request,
            ngettext(
                "%(count)d key is revoked; it stops working within seconds.",
                "%(count)d keys are revoked; they stop working within seconds.",
                count,
            )
            % {"count": count},
        )
