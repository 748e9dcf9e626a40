"""The site, whose answer to a prediction a test holds back: until a file of its folder is there."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIEnvironment

from reviewsite.wsgi import application as site

ASKED, LET_GO = "asked", "let-go"


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/api/predict":
        folder = Path(os.environ["VAR_DIR"])
        (folder / ASKED).touch()
        while not (folder / LET_GO).exists():
            time.sleep(0.02)
    return site(environ, start_response)
