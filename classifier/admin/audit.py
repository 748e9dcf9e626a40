from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from classifier.admin.base import NextStep, as_json
from classifier.admin.facts import FactsAdmin
from classifier.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(FactsAdmin):
    list_display = ("at", "actor_name", "action", "subject", "before", "after", "told_reason")
    list_filter = ("action",)
    fields = ("at", "actor_name", "action", "subject", "shown_before", "shown_after", "told_reason")
    readonly_fields = ("shown_before", "shown_after")
    search_fields = ("=subject", "actor_name", "reason")
    search_help_text = _("A subject such as: prediction <id>; or words of a name or a reason")
    date_hierarchy = "at"
    next_step = NextStep(
        _("Nothing has been done yet"),
        _("Every verdict, import, purge and switch of models is kept here, with its author."),
        "admin:classifier_prediction_review",
        _("Review the next one"),
    )

    @admin.display(description=_("before"))
    def shown_before(self, entry: AuditEntry) -> SafeString:
        return as_json(entry.before)

    @admin.display(description=_("after"))
    def shown_after(self, entry: AuditEntry) -> SafeString:
        return as_json(entry.after)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
