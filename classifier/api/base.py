"""What the addresses of the API have in common: the door, and who is let in."""

from typing import Any

from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.views import APIView

from classifier.api.admission import admission_of, admit
from classifier.api.keys import HeldKey
from classifier.api.refusals import Refusal
from classifier.api.serializers import ErrorSerializer
from classifier.messages import message
from classifier.models import Scope

IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Your own name for this request, such as a UUID. Sent again within 24 hours with "
    "the same body, it is not done again and answers with what it made: Idempotent-Replayed: true.",
)


def errors(*codes: int) -> dict[tuple[int, str], type[ErrorSerializer]]:
    """The errors of an address, for the schema: its own, and those of the door."""
    return {
        (code, "application/json"): ErrorSerializer
        for code in sorted({*codes, 401, 403, 405, 406, 415, 429, 503})
    }


class KeyAuthentication(BaseAuthentication):
    """A key of the site, where one is sent. No cookie is read, so none is abused."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, HeldKey] | None:
        view = request.parser_context["view"]
        admission = admit(request._request, view.scope, demanded=view.demands_key(request))
        return (AnonymousUser(), admission.key) if admission.key else None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = KeyAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "rs_…",
            "description": "A key of the site; where keys are optional, it may be left out.",
        }


class ApiView(APIView):
    """An address that keys open: its scope, and whether it can be had without a key."""

    authentication_classes: tuple[type[BaseAuthentication], ...] = (KeyAuthentication,)
    permission_classes: tuple[Any, ...] = (AllowAny,)
    scope: str = Scope.RATE
    advice: dict[str, tuple[str, str]] = {}
    """Rule and remedy of the framework's own errors, for classifier.api.errors."""

    def demands_key(self, request: Request) -> bool | None:
        """Whether a key is needed; None: as the site's API_KEYS say."""
        return None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        refuse_encoded(request._request.META)

    def finalize_response(self, request: Request, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, *args, **kwargs)
        if admission := admission_of(request._request):
            for name, value in admission.headers.items():
                response[name] = value
        return response


def refuse_encoded(meta: dict[str, Any]) -> None:
    """
    Raises:
        Refusal: 415, the body is compressed; it could unfold to any size.
    """
    encoding = meta.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Refusal(
            status=415,
            code="content_encoding",
            rule=message("A body is sent as it is, not compressed."),
            value=repr(encoding[:50]),
            remedy=message(
                "Leave out Content-Encoding, and send several requests if it is too long."
            ),
        )


def undescribed() -> list[type]:
    """The classes whose docstrings describe no operation, for drf-spectacular."""
    from drf_spectacular.plumbing import get_lib_doc_excludes

    return [*get_lib_doc_excludes(), ApiView]  # type: ignore[no-untyped-call]
