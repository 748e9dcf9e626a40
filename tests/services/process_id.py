"""The site, and at /process which of its processes answers, and what it was sent.

A process answers there once it has imported its pages, which keeps it from its connections.
"""

import os
import threading
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from reviewsite.wsgi import application as site


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] != "/process":
        return site(environ, start_response)
    for thread in threading.enumerate():
        if thread.name == "pages":
            thread.join()
    body = f"{os.getpid()} {environ['QUERY_STRING']}".encode()
    start_response("200 OK", [("Content-Length", str(len(body))), ("Content-Type", "text/plain")])
    return [body]
