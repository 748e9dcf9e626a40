"""Kept-alive connections to two workers, as clients that ask again and again open them."""

import http.client
import selectors
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import psutil
import pytest
from gunicorn.workers.gthread import _DEFER, TConn

from reviewsite.worker import Worker
from tests.site import Site

CLIENTS = 32
SILENT_SECONDS = 5  # after which the site gives up on a client that says nothing


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site.started(
        tmp_path_factory.mktemp("site"),
        until="livez",
        wsgi="tests.services.process_id",
        CLASSIFIER_MODEL="none",
        WEB_CONCURRENCY="2",
    ) as site:
        deadline = time.monotonic() + 30
        served: set[str] = set()
        while len(served) < 2:  # until both do
            assert time.monotonic() < deadline
            with closing(connect(site)) as connection:
                served.add(ask(connection, ""))
        yield site


def connect(site: Site) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)
    connection.connect()
    return connection


def ask(connection: http.client.HTTPConnection, what: str) -> str:
    """Which process answered; what it was sent must come back."""
    connection.request("GET", f"/process?{what}")
    process, _, sent = connection.getresponse().read().decode().partition(" ")
    assert sent == what
    return process


def test_a_burst_of_connections_is_shared_among_the_workers(two_workers: Site) -> None:
    for _ in range(3):
        with ExitStack() as stack:
            connections = [
                stack.enter_context(closing(connect(two_workers))) for _ in range(CLIENTS)
            ]

            served = Counter(ask(connection, "burst") for connection in connections)

            assert len(served) == 2
            assert min(served.values()) >= CLIENTS / 4, served


def test_many_clients_that_ask_again_and_again_each_get_their_answers(two_workers: Site) -> None:
    def client(number: int) -> set[str]:
        with closing(connect(two_workers)) as connection:
            return {ask(connection, f"{number}-{turn}") for turn in range(100)}

    with ThreadPoolExecutor(CLIENTS) as pool:
        served = list(pool.map(client, range(CLIENTS)))

    # A connection stays with the worker that accepted it.
    assert all(len(processes) == 1 for processes in served)


@pytest.mark.parametrize("which", ["keepalived", "pending"])
def test_a_request_that_comes_as_its_connection_expires_is_kept(which: str) -> None:
    worker = Worker.__new__(Worker)  # without the processes that start with it
    worker.poller = selectors.DefaultSelector()
    worker.nr_conns = 2
    with ExitStack() as stack:
        stack.callback(worker.poller.close)
        pairs = [socket.socketpair() for _ in range(2)]
        for each in (one for pair in pairs for one in pair):
            stack.enter_context(each)
        asking, silent = connections = [
            TConn(SimpleNamespace(keepalive=5), server, "", "") for _client, server in pairs
        ]
        for connection in connections:
            connection.timeout = time.monotonic() - 1
        setattr(worker, f"{which}_conns", deque(connections))
        pairs[0][0].sendall(b"GET / HTTP/1.1")

        getattr(worker, f"murder_{which}")()

        assert list(getattr(worker, f"{which}_conns")) == [asking]
        assert asking.sock.recv(14) == b"GET / HTTP/1.1"
        assert silent.sock.fileno() == -1
        assert worker.nr_conns == 1


@pytest.mark.parametrize("answered", [True, _DEFER], ids=["kept alive", "silent so far"])
def test_a_worker_that_ends_waits_for_the_last_request_of_a_connection(answered: object) -> None:
    """One that was told that it is kept, or has said nothing yet, as the worker is told to end."""
    worker = Worker.__new__(Worker)
    worker.poller, worker.nr_conns, worker.alive = selectors.DefaultSelector(), 1, False
    worker.keepalived_conns = deque()
    asked: list[TConn] = []
    worker.enqueue_req = asked.append  # type: ignore[assignment,method-assign]
    client, server = socket.socketpair()
    with worker.poller, client, server:
        connection = TConn(SimpleNamespace(keepalive=5), server, "", "")
        done: Future[object] = Future()
        done.set_result(answered)

        worker.finish_request(connection, done)
        client.sendall(b"GET / HTTP/1.1")
        worker.wait_for_and_dispatch_events(timeout=5)

        assert asked == [connection]
        assert server.recv(14) == b"GET / HTTP/1.1"


def test_who_came_before_the_end_is_answered_and_nobody_is_let_in_after(tmp_path: Path) -> None:
    with Site.started(
        tmp_path,
        until="livez",
        wsgi="tests.services.process_id",
        CLASSIFIER_MODEL="none",
        WEB_CONCURRENCY="1",
    ) as site:
        assert site.process
        [worker] = psutil.Process(site.process.pid).children()
        worker.suspend()
        # The kernel connects them; the worker has accepted none of them.
        waiting = [connect(site) for _ in range(5)]
        for number, connection in enumerate(waiting):
            connection.request("GET", f"/process?{number}")
        site.process.terminate()
        worker.terminate()
        worker.resume()

        for number, connection in enumerate(waiting):
            with closing(connection):
                answer = connection.getresponse()
                assert answer.read().decode() == f"{worker.pid} {number}"
        assert site.process.wait(timeout=30) == 0
        with pytest.raises(ConnectionRefusedError):
            connect(site)


def test_a_request_that_came_with_a_body_that_nobody_read_is_answered(two_workers: Site) -> None:
    host, port = urlsplit(two_workers.url).netloc.split(":")
    refused = b"POST /process?1 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nunread..."
    after = b"GET /process?2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=30) as client:
        client.sendall(refused + after)
        said = b""
        while piece := client.recv(4096):
            said += piece

    assert said.count(b"HTTP/1.1 200") == 2
    assert said.endswith(b" 2")


def test_a_client_that_closes_or_says_nothing_harms_nobody(two_workers: Site) -> None:
    with ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(closing(connect(two_workers)))
        for _ in range(20):
            with closing(connect(two_workers)) as leaving:
                ask(leaving, "bye")

        started = time.monotonic()
        with closing(connect(two_workers)) as connection:
            for turn in range(50):
                ask(connection, str(turn))
        assert time.monotonic() - started < SILENT_SECONDS


@pytest.mark.parametrize("kept", [True, False], ids=["kept alive", "new each time"])
def test_workers_that_are_started_anew_after_some_requests_lose_none(
    kept: bool, tmp_path: Path
) -> None:
    """Not so by default: who wants it says so in GUNICORN_CMD_ARGS."""
    with Site.started(
        tmp_path,
        until="livez",
        wsgi="tests.services.process_id",
        CLASSIFIER_MODEL="none",
        WEB_CONCURRENCY="2",
        GUNICORN_CMD_ARGS="--max-requests 150 --max-requests-jitter 50",
    ) as site:

        def client(number: int) -> set[str]:
            served, connection = set(), connect(site)
            for turn in range(75):
                if not kept:
                    connection.close()  # http.client opens another by itself
                served.add(ask(connection, f"{number}-{turn}"))
            connection.close()
            return served

        with ThreadPoolExecutor(8) as pool:
            served = set().union(*pool.map(client, range(8)))

        assert len(served) > 2  # some have taken the place of others
