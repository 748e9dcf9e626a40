"""A plain client of the running site."""

import json
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode

from tests.site import Site


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


def get(site: Site, path: str) -> Answer:
    return _answer(urllib.request.build_opener(), urllib.request.Request(f"{site.url}{path}"))


def predict(site: Site, body: dict[str, Any]) -> Answer:
    """POST /api/predict."""
    return _answer(
        urllib.request.build_opener(),
        urllib.request.Request(
            f"{site.url}/api/predict",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        ),
    )


def submit(site: Site, text: str) -> Answer:
    """Fill in the form as a browser does: cookie, token, redirect."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    form = _answer(opener, urllib.request.Request(f"{site.url}/"))
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.body)
    assert token
    fields = {"csrfmiddlewaretoken": token[1], "text": text}
    return _answer(opener, urllib.request.Request(f"{site.url}/", data=urlencode(fields).encode()))


def _answer(opener: urllib.request.OpenerDirector, request: urllib.request.Request) -> Answer:
    try:
        with opener.open(request, timeout=60) as response:
            return Answer(response.status, response.headers, response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read().decode())
