from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from classifier.admin.base import NextStep, as_json
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
    next_step = NextStep(
        gettext_lazy("No model has answered yet"),
        gettext_lazy(
            "Rate a review, and the model that answers stands here; train one, and it is here too."
        ),
        "review",
        gettext_lazy("Rate a review"),
    )
    fields = (
        *("name", "revision", "status", "activated_at", "source"),
        *("model_page", "comparison", "shown_metrics", "shown_card"),
    )
    readonly_fields = ("model_page", "comparison", "shown_metrics", "shown_card")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=gettext_lazy("in the shadow"), ordering="shadow_share")
    def shadow(self, version: ModelVersion) -> str:
        return f"{100 * version.shadow_share:g} %" if version.shadow_share else _("no")

    @admin.display(description=gettext_lazy("compare"))
    def comparison(self, version: ModelVersion) -> str:
        if version.status == version.Status.SEEN:
            return _("its files are not kept")
        url = reverse("admin:classifier_modelversion_compare", args=[version.pk])
        if version.status == version.Status.ACTIVE:
            return format_html('<a href="{}">{}</a>', url, _("in service"))
        return format_html('<a href="{}">{}</a>', url, _("compare, activate"))

    @admin.display(description=gettext_lazy("for visitors"))
    def model_page(self, version: ModelVersion) -> SafeString:
        url = reverse("model-version", args=[version.pk])
        return format_html('<a href="{}">{}</a>', url, _("its page: card, measures, pictures"))

    @admin.display(description=gettext_lazy("metrics"))
    def shown_metrics(self, version: ModelVersion) -> SafeString:
        return as_json(version.metrics)

    @admin.display(description=gettext_lazy("card"))
    def shown_card(self, version: ModelVersion) -> SafeString:
        return format_html('<pre class="raw" tabindex="0">{}</pre>', version.card)
