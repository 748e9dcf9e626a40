"""The secret that a Label Studio shows at our door."""

import base64
import binascii

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.utils.crypto import constant_time_compare
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from classifier.messages import message, told


class SecretAuthentication(BaseAuthentication):
    """LABEL_STUDIO_SECRET as the password of any user, or as a token.

    A connected model has a user and a password in Label Studio, a webhook has headers.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, str]:
        """
        Raises:
            AuthenticationFailed: the secret is another one, or is not there.
        """
        header = request.headers.get("Authorization", "")
        scheme, _, rest = header.partition(" ")
        given = _secret_in(scheme.lower(), rest.strip().encode("latin-1", "replace"))
        if given is None:
            # Not what was sent: it may be the secret without a scheme.
            found = message("another scheme") if header else message("no Authorization header")
            raise AuthenticationFailed(told(found))
        if not constant_time_compare(given, settings.LABEL_STUDIO_SECRET):
            raise AuthenticationFailed(told(message("another secret")))
        return AnonymousUser(), scheme

    def authenticate_header(self, request: Request) -> str:
        return 'Basic realm="label-studio"'


class ShownSecretAuthentication(SecretAuthentication):
    """Lets in who shows no secret, too, but nobody with another one."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, str] | None:  # type: ignore[override]
        return super().authenticate(request) if "Authorization" in request.headers else None


class SecretScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = SecretAuthentication
    match_subclasses = True
    name = ["labelStudioPassword", "labelStudioToken"]

    def get_security_definition(self, auto_schema: object) -> list[dict[str, str]]:
        return [{"type": "http", "scheme": "basic"}, {"type": "http", "scheme": "bearer"}]


def _secret_in(scheme: str, credentials: bytes) -> bytes | None:
    """The secret of an Authorization header; None where the scheme is none of those known."""
    if scheme in ("token", "bearer"):
        return credentials
    if scheme == "basic":
        try:
            return base64.b64decode(credentials, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return None
