from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from classifier.admin.facts import FactsAdmin
from classifier.models import AuditEntry


@admin.register(AuditEntry)
class AuditEntryAdmin(FactsAdmin):
    list_display = ("at", "actor_name", "action", "subject", "before", "after", "reason")
    list_filter = ("action",)
    search_fields = ("=subject", "actor_name", "reason")
    search_help_text = "A subject such as: prediction <id>; or words of a name or a reason"
    date_hierarchy = "at"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
