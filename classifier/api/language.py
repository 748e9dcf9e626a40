"""In which language a program that sent no cookie wants to read errors.

POST /api/predict is answered before the middleware that finds that out for pages. An answer has no
words to translate; so nothing is spent on it, and only a refusal asks.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers
from django.utils.translation.trans_real import parse_accept_lang_header


def accepted_language(request: HttpRequest) -> str:
    """The site's language that Accept-Language likes best; LANGUAGE_CODE where it names none."""
    for code, _ in parse_accept_lang_header(request.META.get("HTTP_ACCEPT_LANGUAGE", "").lower()):
        if code == "*":
            break
        try:
            return translation.get_supported_language_variant(code)
        except LookupError:
            continue
    return settings.LANGUAGE_CODE


@contextmanager
def language_of(request: HttpRequest) -> Iterator[str]:
    """What is told within is told in the language that a request asks for."""
    language = accepted_language(request)
    with translation.override(language):
        yield language


def say_language(response: HttpResponse, language: str) -> None:
    """As Django's LocaleMiddleware does it."""
    response.headers["Content-Language"] = language
    patch_vary_headers(response, ["Accept-Language"])
