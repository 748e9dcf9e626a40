"""GET /api/errors: every error that a program may be told, with rule and remedy."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from django.utils.translation import gettext
from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from classifier.api.serializers import CatalogueSerializer, ErrorSerializer
from classifier.messages import message

_PLACE = re.compile(r"\{(\w+)(?:!\w)?(?::[^{}]*)?\}")
FILE = Path(__file__).with_name("error_catalogue.json")


@cache
def catalogue() -> list[dict[str, Any]]:
    """As manage.py reference has read it from the code: messages, not yet told."""
    entries: list[dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))["errors"]
    return entries


class CatalogueView(APIView):
    """Open to all, keys or not: whoever is refused looks here for the reason."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    advice = {
        "method_not_allowed": (
            message("The address answers to the methods in the Allow header."),
            message("Use GET to read the errors."),
        ),
    }

    @extend_schema(
        operation_id="errors_list",
        summary="Every error of this API",
        description="{places} in a sentence stand for what differs from case to case.",
        responses={
            200: CatalogueSerializer,
            **{(code, "application/json"): ErrorSerializer for code in (405, 406)},
        },
    )
    def get(self, request: Request) -> Response:
        return Response({"errors": [_translated(entry) for entry in catalogue()]})


def _translated(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        **entry,
        "rule": [with_plain_places(gettext(rule)) for rule in entry["rule"]],
        "remedy": [with_plain_places(gettext(remedy)) for remedy in entry["remedy"]],
    }


def with_plain_places(text: str) -> str:
    """A message for readers: {most} for {most:,}."""
    return _PLACE.sub(r"{\1}", text)
