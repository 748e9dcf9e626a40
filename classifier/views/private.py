"""What holds of all pages that show what strangers have written."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import add_never_cache_headers

View = Callable[..., HttpResponseBase]


def private(view: View) -> View:
    """Whoever has the address may look, so neither caches nor other sites shall learn it."""

    @wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(request, *args, **kwargs)
        add_never_cache_headers(response)  # no-store, private
        response["Referrer-Policy"] = "same-origin"
        return response

    return wrapped
