from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from classifier.admin.base import SiteAdmin, as_json
from classifier.messages import from_data, told

SHOWN = {
    "error": "told_error",
    "reason": "told_reason",
    "bad_row_reasons": "told_bad_rows",
    "ratings": "shown_ratings",
    "probabilities": "shown_probabilities",
}
"""Columns of messages and of JSON, and what shows them: told in the reader's language, in lines."""


class FactsAdmin(SiteAdmin):
    """Rows that are facts: read, never added or changed by hand."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Without buttons that would save what cannot be changed."""
        if not self.inlines:
            nothing = {"show_save": False, "show_save_and_continue": False}
            extra_context = nothing | (extra_context or {})
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        own = (SHOWN.get(field.name, field.name) for field in self.opts.fields)
        return [*own, *self.readonly_fields]

    @admin.display(description=_("error"))
    def told_error(self, row: Any) -> str:
        return told(row.error)

    @admin.display(description=_("reason"))
    def told_reason(self, row: Any) -> str:
        return told(row.reason)

    @admin.display(description=_("bad row reasons"))
    def told_bad_rows(self, row: Any) -> str:
        reasons = ((number, told(from_data(reason))) for number, reason in row.bad_row_reasons)
        return format_html_join("", "{}: {}<br>", reasons)

    @admin.display(description=_("ratings"))
    def shown_ratings(self, row: Any) -> str:
        return as_json(row.ratings)

    @admin.display(description=_("probabilities"))
    def shown_probabilities(self, row: Any) -> str | None:
        return as_json(row.probabilities) if row.probabilities else None
