"""So many requests a minute, and not one more, on each of the places where they are counted."""

import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django import DjangoAssertNumQueries, Settings
from pytest_django.plugin import DjangoDbBlocker

from classifier.api import counters
from classifier.api.counters import WINDOW, Counter, DatabaseCounter, RedisCounter
from classifier.api.limits import count_request, waiting
from classifier.models import ApiKey, RateWindow
from tests.classifier.access.conftest import Send
from tests.classifier.jobs.databases import in_use, postgresql, sqlite
from tests.servers import own_redis

Open = Callable[[], Any]


@pytest.fixture(params=["sqlite", "postgresql", "redis"])
def counter(
    request: pytest.FixtureRequest, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[Counter]:
    if request.param == "redis":
        with own_redis(tmp_path) as server:
            yield RedisCounter(server.url)
        return
    if request.param == "postgresql":
        database = postgresql(request.getfixturevalue("postgresql_url"))
    else:
        database = sqlite(tmp_path / "db.sqlite3")
    with django_db_blocker.unblock(), in_use(database):
        yield DatabaseCounter()


@contextmanager
def closing() -> Iterator[None]:
    """A thread's own connection ends with what it does."""
    try:
        yield
    finally:
        connections.close_all()


def test_of_a_thousand_requests_at_once_exactly_the_limit_passes(counter: Counter) -> None:
    barrier = threading.Barrier(16)

    def ask(_thread: int) -> Tally[bool]:
        with closing():
            barrier.wait()
            rates = [counter.count("somebody", 100) for _ in range(63)]
        return Tally(rate.passes for rate in rates if rate)

    with ThreadPoolExecutor(16) as executor:
        tally = sum(executor.map(ask, range(16)), Tally[bool]())

    assert tally == {True: 100, False: 908}


def test_each_sender_has_a_limit_of_its_own(counter: Counter) -> None:
    for who in ("one", "another"):
        rates = [counter.count(who, 2) for _ in range(3)]
        assert [(rate.passes, rate.remaining) for rate in rates if rate] == [
            *((True, 1), (True, 0), (False, 0))
        ]


def test_who_waits_for_the_seconds_that_are_told_is_let_in(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counters, "WINDOW", 2)
    counter.count("somebody", 1)
    refused = counter.count("somebody", 1)
    assert refused is not None
    assert not refused.passes

    time.sleep(refused.reset)

    again = counter.count("somebody", 1)
    assert again is not None
    assert again.passes


@pytest.mark.django_db
def test_no_minute_has_more_than_the_limit_wherever_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A window that begins anew by the clock would let twice as many pass around its start."""
    clock, passed = 1_000_000.0, []
    monkeypatch.setattr("classifier.api.counters.time.time", lambda: clock)
    counter = DatabaseCounter()

    for _ in range(600):
        clock += 0.7
        if counter.count("somebody", 10).passes:
            passed.append(clock)

    assert len(passed) >= 60  # 420 seconds
    for first, eleventh in zip(passed, passed[10:], strict=False):
        assert eleventh - first > 60


@pytest.mark.django_db
def test_what_was_refused_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 1_000_000.0
    monkeypatch.setattr("classifier.api.counters.time.time", lambda: clock)
    counter = DatabaseCounter()
    counter.count("somebody", 1)
    for _ in range(WINDOW):
        assert counter.count("somebody", 1).passes is (clock >= 1_000_000 + WINDOW)
        clock += 1

    assert counter.count("somebody", 1).passes
    assert len(RateWindow.objects.get().seconds) == 1


def test_a_dead_redis_lets_requests_pass_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_redis(tmp_path) as server:
        counter = RedisCounter(server.url)
        assert counter.count("somebody", 1) is not None
        server.freeze()
        assert [counter.count("somebody", 1) for _ in range(50)] == [None] * 50
        server.thaw()
        [warning] = [record for record in caplog.records if "not counted" in record.message]
        assert "Redis" in warning.message

        monkeypatch.setattr(counters, "AWAY_SECONDS", 0.0)
        counter._away_until = 0.0
        refused = counter.count("somebody", 1)
        assert refused is not None
        assert not refused.passes
    assert counter.count("somebody", 1) is None


@pytest.mark.django_db
def test_no_address_is_kept(settings: Settings) -> None:
    settings.RATE_LIMIT = 5

    count_request(key=None, limit=None, address="203.0.113.7")

    row = RateWindow.objects.get()
    assert "203.0" not in row.who
    assert len(row.who) == 40


@pytest.mark.django_db
def test_a_flood_of_refused_requests_costs_no_query(
    settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    settings.RATE_LIMIT = 1
    for _ in range(2):
        rate = count_request(key=None, limit=None, address="203.0.113.7")

    with django_assert_num_queries(0):
        rate = count_request(key=None, limit=None, address="203.0.113.7")

    assert rate is not None
    assert not rate.passes
    assert 1 <= rate.reset <= WINDOW
    assert waiting.seconds("nobody", 1) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("way", ["short", "framework"])
def test_each_answer_says_what_is_left_and_the_last_when_to_come_back(
    way: str, send: Send, served_model: Path, settings: Settings
) -> None:
    settings.RATE_LIMIT = 2
    headers = {} if way == "short" else {"Accept": "application/json;q=0.9"}

    one, two, three = (send(**headers) for _ in range(3))

    assert [answer.status_code for answer in (one, two, three)] == [200, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in (one, two, three)] == ["1", "0", "0"]
    for answer in (one, two, three):
        assert answer["RateLimit-Limit"] == "2"
        assert answer["RateLimit-Policy"] == "2;w=60"
        assert 1 <= int(answer["RateLimit-Reset"]) <= WINDOW
    assert three["Retry-After"] == three["RateLimit-Reset"]
    error = three.json()["error"]
    assert error["code"] == "rate_exceeded"
    assert "2 requests a minute" in error["rule"]


@pytest.mark.django_db
def test_a_request_counts_once_even_where_it_is_refused(
    send: Send, served_model: Path, settings: Settings
) -> None:
    settings.RATE_LIMIT = 10

    assert send(data={"text": ""})["RateLimit-Remaining"] == "9"
    assert send(data={"text": "good"})["RateLimit-Remaining"] == "8"
    assert send("/api/v1/predict")["RateLimit-Remaining"] == "7"
    assert send("/api/predictions/none/feedback")["RateLimit-Remaining"] == "6"


@pytest.mark.django_db
def test_a_key_has_its_own_limit_and_a_wrong_one_counts_for_the_address(
    send: Send, served_model: Path, settings: Settings
) -> None:
    settings.RATE_LIMIT = 2
    _, narrow = ApiKey.objects.issue("narrow", scopes=["rate"], limit_per_minute=1)
    _, plain = ApiKey.objects.issue("plain", scopes=["rate"])

    assert [send(key=narrow).status_code for _ in range(2)] == [200, 429]
    assert [send(key=plain).status_code for _ in range(3)] == [200, 200, 429]
    assert [send(key="rs_guess").status_code for _ in range(3)] == [401, 401, 429]
    assert send().status_code == 429


@pytest.mark.django_db
def test_without_a_limit_nothing_is_said_of_one(
    send: Send, served_model: Path, settings: Settings
) -> None:
    assert settings.RATE_LIMIT == 0
    answer = send()

    assert answer.status_code == 200
    assert "RateLimit-Limit" not in answer
    assert not RateWindow.objects.exists()


@pytest.mark.django_db
def test_counts_are_purged_and_those_of_now_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    counter = DatabaseCounter()
    counter.count("now", 1)
    counter.count("long ago", 1)
    RateWindow.objects.filter(pk="long ago").update(counted_at="2020-01-01T00:00:00Z")

    assert RateWindow.objects.purge() == 1
    assert RateWindow.objects.get().pk == "now"
