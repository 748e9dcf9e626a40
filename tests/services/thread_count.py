"""The site, and at /threads how many threads torch has in the worker that answers."""

import json
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from reviewsite.wsgi import application as site


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] != "/threads":
        return site(environ, start_response)
    import torch

    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(torch.get_num_threads()).encode()]
