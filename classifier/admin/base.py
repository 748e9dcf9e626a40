"""What the admin's pages have in common: the look of django-unfold, and what to do next."""

import json
from typing import Any, NamedTuple

from django import forms
from django.contrib.admin.views.main import (  # type: ignore[attr-defined]
    ALL_VAR,
    IS_FACETS_VAR,
    ORDER_VAR,
    PAGE_VAR,
)
from django.http import HttpRequest
from django.utils.decorators import method_decorator
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.views.decorators.gzip import gzip_page
from unfold.admin import ModelAdmin, StackedInline, TabularInline

OF_THE_VIEW = {ORDER_VAR, PAGE_VAR, ALL_VAR, IS_FACETS_VAR}


class NextStep(NamedTuple):
    """What an empty list says: why there is nothing, and where something comes from."""

    title: Promise
    text: Promise
    link: str = ""
    """Name of a route; empty for who may not go there."""
    label: Promise | str = ""


def as_json(value: Any) -> SafeString:
    """What a column of JSON holds, in lines. unfold's own colours it by inline styles."""
    return format_html(
        '<pre class="raw" tabindex="0">{}</pre>',
        json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True),
    )


class SiteAdmin(ModelAdmin):
    """A list and its pages."""

    list_fullwidth = True
    list_per_page = 50
    compressed_fields = True
    next_step: NextStep | None = None

    @property
    def media(self) -> forms.Media:
        """What our pages use of the admin's scripts: choosing rows. They do without jQuery."""
        return forms.Media(js=["admin/js/actions.js"])

    def next_step_of(self, request: HttpRequest) -> NextStep | None:
        """What to say where the list is empty though it was not searched or filtered."""
        return None if self.is_narrowed(request) else self.next_step

    def is_narrowed(self, request: HttpRequest, *, by_others_than: str = "") -> bool:
        """Whether the list is asked for a part of its rows; by a parameter, or by others."""
        return bool(set(request.GET) - OF_THE_VIEW - {by_others_than})

    # unfold says of every cell in half a kilobyte how it looks; compressed, a list is small again.
    @method_decorator(gzip_page)
    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {
            "title": capfirst(self.opts.verbose_name_plural),
            "next_step": self.next_step_of(request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)


class OneForm(StackedInline):
    """A form of at most one row, which needs no script that adds rows."""

    @property
    def media(self) -> forms.Media:
        return forms.Media()


class ReadRows(TabularInline):
    """Rows to read."""

    extra = 0
    can_delete = False

    @property
    def media(self) -> forms.Media:
        return forms.Media()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
