from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from classifier.admin.comparison import ComparisonPage
from classifier.admin.facts import FactsAdmin
from classifier.models import ModelVersion


@admin.register(ModelVersion)
class ModelVersionAdmin(ComparisonPage, FactsAdmin):
    list_display = (
        "name",
        "revision",
        "status",
        "activated_at",
        "shadow",
        "source",
        "created_at",
        "comparison",
    )
    list_filter = ("status",)
    search_fields = ("name", "revision")
    ordering = ("-created_at",)
    fields = ("name", "revision", "status", "activated_at", "source", "metrics", "card")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="in the shadow", ordering="shadow_share")
    def shadow(self, version: ModelVersion) -> str:
        return f"{100 * version.shadow_share:g} %" if version.shadow_share else "no"

    @admin.display(description="compare")
    def comparison(self, version: ModelVersion) -> str:
        if version.status == version.Status.SEEN:
            return "its files are not kept"
        url = reverse("admin:classifier_modelversion_compare", args=[version.pk])
        if version.status == version.Status.ACTIVE:
            return format_html('<a href="{}">in service</a>', url)
        return format_html('<a href="{}">compare, activate</a>', url)
