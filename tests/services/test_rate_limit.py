"""Exactly N a minute, of a thousand requests of 64 clients to the workers of the real site."""

import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers import own_redis
from tests.site import ROOT, Site

CLIENTS, REQUESTS, LIMIT = 64, 1000, 100
SECRET_KEY = "a secret that guards nothing, for a site that goes away soon"
APART = """
import os
import threading
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")
import django
django.setup()
from classifier.api.counters import DatabaseCounter, Rate
own = threading.local()
def count(self, who, limit):
    own.number = getattr(own, "number", 0) + 1
    return Rate(limit, max(limit - own.number, 0), 1, own.number <= limit)
DatabaseCounter.count = count
from reviewsite.wsgi import application
"""


def ask(site: Site, count: int, **headers: str) -> list[tuple[int, Any]]:
    """Requests of one client over one connection: status and headers of each answer."""
    body = json.dumps({"text": "a lovely film"})
    headers = {"Content-Type": "application/json", **headers}
    answers = []
    with closing(HTTPConnection(urlsplit(site.url).netloc, timeout=60)) as connection:
        for _ in range(count):
            connection.request("POST", "/api/predict", body, headers)
            response = connection.getresponse()
            response.read()
            answers.append((response.status, response.headers))
    return answers


def ask_at_once(site: Site, **headers: str) -> list[tuple[int, Any]]:
    counts = [len(range(client, REQUESTS, CLIENTS)) for client in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as executor:
        answers = executor.map(lambda count: ask(site, count, **headers), counts)
        return [each for some in answers for each in some]


@pytest.mark.parametrize(("backend", "workers"), [("sqlite", 2), ("postgresql", 1), ("redis", 4)])
def test_exactly_the_limit_passes_of_each_sender(
    backend: str,
    workers: int,
    request: pytest.FixtureRequest,
    exported_model_dir: Path,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", REQUESTS)
    environment = {
        "CLASSIFIER_MODEL": str(exported_model_dir),
        "WEB_CONCURRENCY": str(workers),
        "RATE_LIMIT": str(LIMIT),
        "NUM_PROXIES": "1",
        # The clients share this process, and may leave a connection silent for seconds.
        "GUNICORN_CMD_ARGS": "--keep-alive 60",
    }
    if backend == "postgresql":
        environment["DATABASE_URL"] = request.getfixturevalue("postgresql_url")
        environment |= {"SECRET_KEY": SECRET_KEY, "ALLOWED_HOSTS": "127.0.0.1"}
    if backend == "redis":
        environment["REDIS_URL"] = request.getfixturevalue("redis_url")
    with Site.started(tmp_path, **environment) as site:
        answers = ask_at_once(site, **{"X-Forwarded-For": "203.0.113.7"})

        statuses = Counter(status for status, _ in answers)
        assert statuses == {200: LIMIT, 429: REQUESTS - LIMIT}
        refused = [headers for status, headers in answers if status == 429]
        assert all(1 <= int(headers["Retry-After"]) <= 61 for headers in refused)
        left = sorted(int(h["RateLimit-Remaining"]) for status, h in answers if status == 200)
        assert left == list(range(LIMIT))
        # What a client writes before the proxy's own part changes nothing; another address does.
        spoofed = ask(site, 1, **{"X-Forwarded-For": "198.51.100.1, 203.0.113.7"})
        assert [status for status, _ in spoofed] == [429]
        other = ask(site, 1, **{"X-Forwarded-For": "203.0.113.7, 198.51.100.1"})
        assert [status for status, _ in other] == [200]


def test_threads_that_count_apart_would_be_noticed(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "apart.py").write_text(APART)
    with Site.started(
        tmp_path,
        wsgi="apart",
        PYTHONPATH=f"{tmp_path}:{ROOT}",
        CLASSIFIER_MODEL=str(exported_model_dir),
        WEB_CONCURRENCY="2",
        RATE_LIMIT=str(LIMIT),
        GUNICORN_CMD_ARGS="--keep-alive 60",
    ) as site:
        statuses = Counter(status for status, _ in ask_at_once(site))
    assert statuses[200] > LIMIT
    assert statuses[200] + statuses[429] == REQUESTS


def test_a_redis_that_is_gone_or_hangs_fails_no_prediction(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "redis").mkdir()
    with (
        own_redis(tmp_path / "redis") as server,
        Site.started(
            tmp_path,
            CLASSIFIER_MODEL=str(exported_model_dir),
            REDIS_URL=server.url,
            RATE_LIMIT="20",
        ) as site,
    ):
        [(status, headers)] = ask(site, 1)
        assert (status, headers["RateLimit-Remaining"]) == (200, "19")
        server.freeze()
        assert {status for status, _ in ask(site, 50)} == {200}
        server.thaw()
        server.stop()
        assert {status for status, _ in ask(site, 50)} == {200}
        assert "not counted" in site.log.read_text()
