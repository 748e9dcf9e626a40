"""What every answer tells the browser that it may not do.

Pages get settings.CONTENT_SECURITY_POLICY, with a nonce; whatever else leaves gets a policy that
lets it do nothing, so that a file of somebody's is harmless even where a browser opens it.
"""

from collections.abc import Callable

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

POLICY = "Content-Security-Policy"
NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
UNUSED = (
    "accelerometer",
    "autoplay",
    "camera",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "picture-in-picture",
    "publickey-credentials-get",
    "screen-wake-lock",
    "usb",
    "xr-spatial-tracking",
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{name}=()" for name in UNUSED),
    POLICY: NOTHING,
}


def harmless(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """Add what an answer does not say itself; the outermost, so that none is without."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        headers = response.headers
        for name, value in HEADERS.items():
            if name not in headers:
                headers[name] = value
        if settings.DEBUG and response.status_code in (404, 500) and headers[POLICY] == NOTHING:
            del headers[POLICY]  # Django's page for developers styles itself inline
        return response

    return middleware


class PagePolicy(CSPMiddleware):
    """django-csp's, for pages alone: building the policy costs, and other answers need none."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not response.get("Content-Type", "").startswith("text/html"):
            return response
        return super().process_response(request, response)


def csp_nonce(request: HttpRequest) -> dict[str, object]:
    """Context processor: the nonce of this answer's scripts, made when a template asks for it."""
    return {"csp_nonce": getattr(request, "csp_nonce", "")}
