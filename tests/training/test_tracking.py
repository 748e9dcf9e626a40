"""MLflow gets all of a run, once; whatever its server does, the run does not notice."""

import contextlib
import http.server
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from training.tracking import Tracker, replay, tracked_run
from training.tracking.sender import CLIENT_ENVIRONMENT, LOG, PATIENCE
from training.tracking.spool import SENT, SPOOL, Spool

CONFIG = {"data": {"dataset": "imdb"}, "training": {"epochs": 2.0, "seed": 0}}
STEPS = 200
NOTICED = 0.5  # seconds: more than a metric may cost a run


def spend(run_dir: Path, uri: str, *, steps: int = STEPS, first: int = 1, **facts: Any) -> None:
    """A run that tells one loss a step."""
    with tracked_run("mine", CONFIG, run_dir, uri, "reviews") as tracker:
        for step in range(first, steps + 1):
            tracker.metrics({"loss": 1 / step}, step=step)
        tracker.metrics({"test_accuracy": 0.5})
        tracker.tags({"dataset": "imdb"} | facts)


def deliver(run_dir: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """What the sender does, here, where mlflow is imported once; whether all is sent."""
    for name, value in CLIENT_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    spool = Spool(run_dir)
    # SQLAlchemy warns of mlflow's tables; in the sender that is a line of a log.
    with spool.locked(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from training.tracking.delivery import Delivery

        Delivery(spool, uri).send()
    return spool.is_sent()


def rows(store: Path, query: str) -> list[tuple[Any, ...]]:
    with contextlib.closing(sqlite3.connect(store)) as connection:
        return connection.execute(query).fetchall()


def losses(store: Path) -> list[tuple[Any, ...]]:
    return rows(store, "select step, value from metrics where key = 'loss' order by step")


EXPECTED = [(step, 1 / step) for step in range(1, STEPS + 1)]


@pytest.fixture
def store(empty_mlflow_store: Path, tmp_path: Path) -> Path:
    return shutil.copyfile(empty_mlflow_store, tmp_path / "mlflow.db")


def test_one_run_holds_all_that_mlflow_takes_and_no_token(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "a-token-of-another-form")
    token = "hf_" + "aB3" * 10
    report = tmp_path / "report"
    (report / "pictures").mkdir(parents=True)
    (report / "pictures" / "roc.png").write_bytes(b"picture")
    page = tmp_path / "report.html"
    page.write_text(f"<p>pushed with {token}</p>")
    config = CONFIG | {"model": {"token": token}}
    with tracked_run("mine", config, tmp_path / "run", f"sqlite:///{store}", "reviews") as tracker:
        tracker.metrics({"loss": 0.5}, step=3)
        tracker.metrics({"a key that * MLflow ? refuses": 0.5}, step=3)
        tracker.metrics({"loss": 0.25}, step=4)
        tracker.tags({"rows.train": 240, "command": "push a-token-of-another-form"})
        tracker.artefact(report)
        tracker.artefact(page)
    assert tracker.run_id
    assert tracker.url is None
    assert rows(store, "select run_uuid, name, status from runs") == [
        (tracker.run_id, "mine", "FINISHED")
    ]
    assert rows(store, "select key, value from params order by key") == [
        ("data.dataset", "imdb"),
        ("model.token", "hf_***"),
        ("training.epochs", "2.0"),
        ("training.seed", "0"),
    ]
    assert losses(store) == [(3, 0.5), (4, 0.25)]
    assert rows(store, "select count(*) from metrics") == [(2,)]
    assert "refuses" in (tmp_path / "run" / LOG).read_text()
    assert rows(store, "select value from tags where key = 'rows.train'") == [("240",)]
    (picture,) = (tmp_path / "mlflow").rglob("*.png")
    assert picture.as_posix().endswith(f"{tracker.run_id}/artifacts/report/pictures/roc.png")

    assert rows(store, "select value from tags where key = 'command'") == [("push ***",)]
    assert not list((tmp_path / "mlflow").rglob("report.html"))
    written = b"".join(path.read_bytes() for path in (*(tmp_path / "run").iterdir(), store))
    assert token.encode() not in written
    assert b"a-token-of" not in written


def test_without_an_experiment_nothing_is_tracked(tmp_path: Path) -> None:
    with tracked_run("mine", CONFIG, tmp_path, "sqlite:///nowhere", "") as tracker:
        tracker.metrics({"loss": 1.0}, step=1)
        tracker.artefact(tmp_path)
    assert tracker.run_id is None
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_fails_says_so(store: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="bad data"),
        tracked_run("mine", CONFIG, tmp_path / "run", f"sqlite:///{store}", "reviews"),
    ):
        raise ValueError("bad data")
    assert rows(store, "select status from runs") == [("FAILED",)]


def test_a_resumed_run_goes_on_with_its_mlflow_run_and_repeats_nothing(
    store: Path, tmp_path: Path
) -> None:
    uri = f"sqlite:///{store}"
    with (
        contextlib.suppress(KeyboardInterrupt),
        tracked_run("mine", CONFIG, tmp_path / "run", uri, "reviews") as tracker,
    ):
        for step in range(1, 101):
            tracker.metrics({"loss": 1 / step}, step=step)
        raise KeyboardInterrupt
    assert rows(store, "select status from runs") == [("KILLED",)]
    with (tmp_path / "run" / SPOOL).open("a") as spool:
        spool.write('{"kind": "metrics", "val')  # a kill in the middle of a line
    spend(tmp_path / "run", uri, first=81)
    assert losses(store) == EXPECTED
    assert rows(store, "select status from runs") == [("FINISHED",)]


def test_what_was_sent_but_not_noted_is_not_sent_twice(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{store}"
    spend(tmp_path / "run", uri)
    noted = tmp_path / "run" / SENT
    for forgotten in ({"bytes": 0}, {"bytes": 0, "run_id": None}):
        noted.write_text(json.dumps(json.loads(noted.read_text()) | forgotten))
        assert deliver(tmp_path / "run", uri, monkeypatch)
        assert losses(store) == EXPECTED
        assert len(rows(store, "select * from runs")) == 1


class Unwell(http.server.BaseHTTPRequestHandler):
    def handle_one_request(self) -> None:
        if self.rfile.readline():
            self.wfile.write(
                b"HTTP/1.1 500 Unwell\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def failing_server(kind: str) -> Iterator[str]:
    """The URI of a server that refuses, accepts and never answers, or answers 500."""
    if kind == "500":
        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unwell) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()
        return
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if kind == "hanging":
            listening.listen(64)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def tell_losses(tracker: Tracker, steps: int = STEPS) -> tuple[float, float]:
    """One loss a step; the seconds that all took, and the longest."""
    took = []
    for step in range(1, steps + 1):
        started = time.perf_counter()
        tracker.metrics({"loss": 1 / step}, step=step)
        took.append(time.perf_counter() - started)
    return sum(took), max(took)


@pytest.mark.parametrize("kind", ["refusing", "hanging", "500"])
def test_a_failing_server_costs_the_run_nothing_and_gets_all_of_it_later(
    store: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    record_property: Callable[[str, object], None],
) -> None:
    run_dir = tmp_path / "runs" / "mine"
    with failing_server(kind) as uri:
        with tracked_run("mine", CONFIG, run_dir, uri, "reviews") as tracker:
            told, longest = tell_losses(tracker)
            finished = time.monotonic()
        waited = time.monotonic() - finished
        assert longest < NOTICED
        assert waited < PATIENCE + 5
    record_property(f"{kind}, {STEPS} metrics of a run (ms)", f"{told * 1000:.1f}")
    record_property(f"{kind}, wait at its end (s)", f"{waited:.1f}")
    assert tracker.run_id is None
    assert "did not take all of run mine" in caplog.text
    uri = f"sqlite:///{store}"
    # The process that replay() starts for it is the same, whatever the server did.
    assert replay(run_dir, uri) if kind == "500" else deliver(run_dir, uri, monkeypatch)
    assert losses(store) == EXPECTED


def test_a_run_that_asks_the_server_itself_is_seen_to_wait(tmp_path: Path) -> None:
    with failing_server("hanging") as uri:

        class Asking(Spool):
            def append(self, kind: str, **facts: Any) -> None:
                super().append(kind, **facts)
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(uri, timeout=2 * NOTICED)

        spool = Asking(tmp_path)
        spool.open(name="mine", experiment="reviews", uri=uri)
        _told, longest = tell_losses(Tracker(spool), steps=1)
    assert longest > NOTICED


@pytest.mark.parametrize("careless", [False, True])
def test_metrics_that_a_sender_takes_for_sent_are_missed(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, careless: bool
) -> None:
    from training.tracking.delivery import Delivery

    uri, log = f"sqlite:///{store}", Delivery._log
    spool = Spool(tmp_path)
    spool.open(name="mine", experiment="reviews", uri=uri)
    tell_losses(Tracker(spool))

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("refused")

    def log_or_not(self: Delivery, batch: Any) -> None:
        with contextlib.suppress(OSError):
            log(self, batch)

    with monkeypatch.context() as failing:
        failing.setattr("mlflow.MlflowClient.log_batch", fail)
        if careless:
            failing.setattr(Delivery, "_log", log_or_not)
        with contextlib.suppress(OSError):
            deliver(tmp_path, uri, failing)
    assert spool.is_sent() == careless
    assert deliver(tmp_path, uri, monkeypatch)
    assert (losses(store) == EXPECTED) == (not careless)


def test_the_next_run_sends_what_the_last_one_could_not(store: Path, tmp_path: Path) -> None:
    uri = f"sqlite:///{store}"
    spend(tmp_path / "runs" / "before", uri)
    (tmp_path / "runs" / "before" / SENT).unlink()
    with contextlib.closing(sqlite3.connect(store)) as connection, connection:
        connection.execute("delete from metrics")
    spend(tmp_path / "runs" / "next", uri, steps=0)
    assert losses(store) == EXPECTED


def test_a_revived_server_gets_every_metric_once(tmp_path: Path, store: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    uri, run_dir = f"http://127.0.0.1:{port}", tmp_path / "runs" / "mine"
    report = tmp_path / "report.html"
    report.write_text("<p>fine</p>")

    def serving() -> "contextlib.AbstractContextManager[None]":
        return mlflow_server(store, tmp_path / "artefacts", port)

    with tracked_run("mine", CONFIG, run_dir, uri, "reviews") as tracker:
        tracker.artefact(report)
        with serving():
            for step in range(1, 101):
                tracker.metrics({"loss": 1 / step}, step=step)
            until(lambda: tracker.run_id)
        for step in range(101, STEPS + 1):
            tracker.metrics({"loss": 1 / step}, step=step)
    with serving():
        assert replay(run_dir)
        assert tracker.url
        assert str(tracker.run_id) in tracker.url
    found = rows(
        store,
        f"select step, value from metrics where run_uuid = '{tracker.run_id}' order by step",
    )
    assert found == EXPECTED
    assert len(list((tmp_path / "artefacts").rglob("report.html"))) == 1


def until(happened: Any, *, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@contextlib.contextmanager
def mlflow_server(store: Path, artefacts: Path, port: int) -> Iterator[None]:
    with (artefacts.parent / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
                *("--host", "127.0.0.1", "--port", str(port)),
                *("--backend-store-uri", f"sqlite:///{store}"),
                *("--artifacts-destination", str(artefacts)),
            ],
            env=os.environ
            | {
                "MLFLOW_DISABLE_TELEMETRY": "true",
                # Of language models, for which it starts seven processes.
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            },
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def answers() -> bool:
        assert process.poll() is None, (artefacts.parent / "server.log").read_text()
        with contextlib.suppress(OSError):
            return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).read())
        return False

    try:
        until(answers)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        process.wait()
