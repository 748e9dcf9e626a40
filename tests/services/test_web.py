import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from classifier.predictor import RETRY_SECONDS
from tests.services.client import get, is_shut, predict, submit
from tests.services.held import ASKED, LET_GO
from tests.site import ROOT, STOP_SECONDS, Site, command
from tests.waiting import until

GRACE_SECONDS = 30  # after which gunicorn kills a worker that has not ended


def test_a_site_without_a_model_says_so_and_serves_once_it_has_one(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    with Site.started(tmp_path, until="livez", CLASSIFIER_MODEL=str(model)) as site:
        assert get(site, "/livez").status == 200
        ready = get(site, "/readyz")
        assert ready.status == 503
        assert str(model) in ready.json()["reasons"][0]

        answer = predict(site, {"text": "good"})
        assert answer.status == 503
        assert int(answer.headers["Retry-After"]) >= RETRY_SECONDS
        error = answer.json()["error"]
        assert error["code"] == "model_missing"
        assert "CLASSIFIER_MODEL" in error["remedy"]

        page = submit(site, "a review that must not be lost")
        assert page.status == 503
        assert "CLASSIFIER_MODEL" in page.body
        assert "a review that must not be lost" in page.body

        shutil.copytree(exported_model_dir, tmp_path / "copy")
        (tmp_path / "copy").rename(model)
        appeared = asked = time.monotonic()
        while predict(site, {"text": "good"}).status != 200:
            assert asked - appeared <= RETRY_SECONDS, site.log.read_text()
            time.sleep(0.2)
            asked = time.monotonic()
        assert get(site, "/readyz").status == 200


def test_a_site_that_is_told_to_stop_answers_what_it_was_asked(
    tiny_model_dir: Path, tmp_path: Path
) -> None:
    texts = [f"{number} a long story of a good film" for number in range(64)]
    with (
        Site.started(
            tmp_path, wsgi="tests.services.held", CLASSIFIER_MODEL=str(tiny_model_dir)
        ) as site,
        ThreadPoolExecutor() as executor,
    ):
        assert site.process
        asked = executor.submit(predict, site, {"texts": texts})
        until((tmp_path / ASKED).exists)
        site.process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        until(lambda: is_shut(site))
        (tmp_path / LET_GO).touch()
        answer = asked.result()
        assert answer.status == 200
        assert len(answer.json()["results"]) == len(texts)
        assert site.process.wait(timeout=STOP_SECONDS) == 0
        assert time.monotonic() - told < GRACE_SECONDS
    assert "Traceback" not in site.log.read_text()


def test_the_workers_share_the_cores(tmp_path: Path) -> None:
    cores = len(os.sched_getaffinity(0))
    with Site.started(
        tmp_path,
        until="livez",
        wsgi="tests.services.thread_count",
        CLASSIFIER_MODEL="none",
        WEB_CONCURRENCY=str(cores),
        OMP_NUM_THREADS=None,
    ) as site:
        assert get(site, "/threads").json() == 1


@pytest.mark.parametrize("how", ["argument", "environment"])
def test_preload_is_refused(tmp_path: Path, how: str) -> None:
    arguments = ["--preload"] if how == "argument" else []
    environment = {"GUNICORN_CMD_ARGS": "--preload"} if how == "environment" else {}
    done = subprocess.run(
        [*command("web"), *arguments],
        cwd=ROOT,
        env={**os.environ, "VAR_DIR": str(tmp_path), "BIND": "127.0.0.1:0", **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "gunicorn was started with --preload" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_not_refused_would_be_seen_to_listen(tmp_path: Path) -> None:
    site, config = Site.prepared(tmp_path), tmp_path / "lenient.py"
    config.write_text("from reviewsite.gunicorn import *\ndel on_starting\n")
    arguments = command("web")
    arguments[arguments.index("python:reviewsite.gunicorn")] = str(config)
    with site.running([*arguments, "--preload"], log=site.log) as process:
        until(lambda: "Listening at" in site.log.read_text())
        assert process.poll() is None


def test_more_than_can_be_answered_in_time_is_refused_at_once(
    exported_model_dir: Path, tmp_path: Path
) -> None:
    body = json.dumps({"texts": [f"{'a good film and ' * 300}{number}" for number in range(40)]})
    with Site.started(
        tmp_path,
        CLASSIFIER_MODEL=str(exported_model_dir),
        CLASSIFIER_CACHE_SIZE="0",
        CLASSIFIER_MAX_WAIT="0.2",
    ) as site:

        def ask(_: int) -> tuple[int, str | None]:
            request = urllib.request.Request(
                f"{site.url}/api/predict", body.encode(), {"Content-Type": "application/json"}
            )
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return answer.status, None
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.headers["Retry-After"]

        with ThreadPoolExecutor(32) as executor:
            answers = list(executor.map(ask, range(64)))
        with urllib.request.urlopen(f"{site.url}/livez", timeout=10) as live:
            assert live.status == 200

    assert {status for status, _ in answers} == {200, 429}
    assert all(int(after or 0) >= 1 for status, after in answers if status == 429)
