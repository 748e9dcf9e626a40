"""A site that is told to end says that it is not ready, and answers what it was asked."""

import http.client
import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.services.client import get, is_shut, predict
from tests.services.held import ASKED, LET_GO
from tests.services.test_connections import connect
from tests.site import STOP_SECONDS, Site
from tests.waiting import until

SECONDS = 10  # for a signal to reach the worker of a busy machine


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[int, Any]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_a_site_that_ends_is_not_ready_while_it_answers_what_it_was_asked(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    texts = [f"{number} a long story of a good film" for number in range(64)]
    with (
        Site.started(
            tmp_path, wsgi="tests.services.held", CLASSIFIER_MODEL=str(exported_model_dir)
        ) as site,
        ThreadPoolExecutor() as executor,
        closing(connect(site)) as first,
        closing(connect(site)) as second,
    ):
        assert site.process
        # Connections that are kept: the door is shut for others.
        for balancer in (first, second):
            assert ask(balancer, "/readyz")[0] == 200
        asked = executor.submit(predict, site, {"texts": texts})
        until((tmp_path / ASKED).exists)
        site.process.send_signal(signal.SIGTERM)
        until(lambda: is_shut(site))
        status, said = ask(first, "/readyz")
        assert ask(second, "/startupz")[0] == 200
        assert status == 503
        assert said["ready"] is False
        assert "told to end" in said["reasons"][0]

        (tmp_path / LET_GO).touch()
        answer = asked.result()
        assert answer.status == 200
        assert len(answer.json()["results"]) == len(texts)
        assert site.process.wait(timeout=STOP_SECONDS) == 0


def test_the_door_stays_open_for_as_long_as_a_balancer_needs_to_notice(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    with Site.started(
        tmp_path, CLASSIFIER_MODEL=str(exported_model_dir), DRAIN_SECONDS="3"
    ) as site:
        assert site.process
        site.process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        while get(site, "/readyz").status == 200:
            assert time.monotonic() < told + SECONDS
            time.sleep(0.05)
        noticed = time.monotonic()
        # What a balancer sends before it notices; each request is a connection of its own.
        answered = 0
        while time.monotonic() < noticed + 1.5:
            assert predict(site, {"text": f"good {answered}"}).status == 200
            answered += 1
        assert answered
        assert get(site, "/readyz").status == 503
        assert {get(site, path).status for path in ("/livez", "/startupz")} == {200}

        assert site.process.wait(timeout=STOP_SECONDS) == 0
        assert time.monotonic() - told >= 3
        with pytest.raises(ConnectionRefusedError):
            connect(site)
    assert "Traceback" not in site.log.read_text()
