"""The site, and at /process which of its processes answers, and what it was sent."""

import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from reviewsite.wsgi import application as site


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] != "/process":
        return site(environ, start_response)
    body = f"{os.getpid()} {environ['QUERY_STRING']}".encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("Content-Type", "text/plain")])
    return [body]
