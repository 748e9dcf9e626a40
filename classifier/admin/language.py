"""Predictions by the language of their texts."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from classifier.models import Prediction
from classifier.unread_language import name_of

OTHER, UNSURE = "other", "unsure"


class LanguageFilter(admin.SimpleListFilter):
    """Those of the site; to list all that there are would read every prediction."""

    title = _("language of the text")
    parameter_name = "language"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        known = [(code, name_of(code)) for code, _name in settings.LANGUAGES]
        return [*known, (OTHER, _("another one")), (UNSURE, _("unsure"))]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[Prediction]
    ) -> QuerySet[Prediction]:
        match self.value():
            case None:
                return queryset
            case "unsure":
                return queryset.filter(language="")
            case "other":
                known = [code for code, _name in settings.LANGUAGES]
                return queryset.exclude(language__in=["", *known])
            case code:
                return queryset.filter(language=code)
