from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.db.models import QuerySet
from django.http import HttpRequest

from classifier.admin.facts import FactsAdmin
from classifier.exceptions import ClassifierError
from classifier.models import ModelVersion
from classifier.versions.activation import activate, roll_back


class ReasonForm(ActionForm):
    """Why a version is activated; it is kept in the audit log."""

    reason = forms.CharField(required=False, max_length=500, label="Reason:")


@admin.register(ModelVersion)
class ModelVersionAdmin(FactsAdmin):
    list_display = ("name", "revision", "status", "activated_at", "source", "created_at")
    list_filter = ("status",)
    search_fields = ("name", "revision")
    fields = ("name", "revision", "status", "activated_at", "source", "metrics", "card")
    action_form = ReasonForm
    actions = ("activate", "roll_back")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.action(description="Activate in every process", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        versions = list(queryset[:2])
        if len(versions) != 1 or versions[0].status == ModelVersion.Status.SEEN:
            self.message_user(
                request,
                "One candidate or retired version can be activated. Found: "
                f"{'several' if len(versions) > 1 else 'one whose files are not kept'}. "
                "Choose one, or register it: python manage.py activate_model NAME",
                messages.ERROR,
            )
            return
        try:
            activate(versions[0], actor=request.user, reason=request.POST.get("reason", "")[:500])
        except ClassifierError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        self.message_user(request, f"{versions[0]} is active; processes follow within seconds.")

    @admin.action(description="Roll back to the version before", permissions=["change"])
    def roll_back(self, request: HttpRequest, queryset: QuerySet[ModelVersion]) -> None:
        try:
            version = roll_back(actor=request.user, reason=request.POST.get("reason", "")[:500])
        except ClassifierError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        self.message_user(request, f"{version} is active again.")
