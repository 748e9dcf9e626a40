"""A plain client of the running site."""

import json
import re
import socket
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode, urlsplit

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


def rate_file(site: Site, name: str, content: bytes) -> Answer:
    """POST /api/bulk."""
    return _answer(urllib.request.build_opener(), file_request(site, name, content))


def file_request(site: Site, name: str, content: bytes) -> urllib.request.Request:
    boundary = uuid.uuid4().hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    )
    return urllib.request.Request(
        f"{site.url}/api/bulk",
        data=head.encode() + content + f"\r\n--{boundary}--\r\n".encode(),
        headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )


def submit(site: Site, text: str) -> Answer:
    """Fill in the form as a browser does: cookie, token, redirect."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    form = _answer(opener, urllib.request.Request(f"{site.url}/"))
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.body)
    assert token
    fields = {"csrfmiddlewaretoken": token[1], "text": text}
    return _answer(opener, urllib.request.Request(f"{site.url}/", data=urlencode(fields).encode()))


def is_shut(site: Site) -> bool:
    """Whether nobody is let in any more."""
    address = urlsplit(site.url)
    try:
        socket.create_connection((address.hostname or "", address.port or 0)).close()
    except ConnectionRefusedError:
        return True
    return False


def download(site: Site, path: str) -> bytes:
    with urllib.request.urlopen(f"{site.url}{path}", timeout=120) as response:
        return bytes(response.read())


def _answer(opener: urllib.request.OpenerDirector, request: urllib.request.Request) -> Answer:
    try:
        with opener.open(request, timeout=60) as response:
            return Answer(response.status, response.headers, response.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read().decode())
