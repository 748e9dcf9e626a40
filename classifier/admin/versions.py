from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from classifier.admin.facts import FactsAdmin
from classifier.models import ModelVersion


@admin.register(ModelVersion)
class ModelVersionAdmin(FactsAdmin):
    list_display = ("name", "revision", "created_at")
    search_fields = ("name", "revision")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
