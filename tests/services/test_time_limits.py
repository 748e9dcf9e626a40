"""What PostgreSQL is given to do has an end: statements, locks and transactions left open."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import InternalError, OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from pytest_django import DjangoDbBlocker, Settings

from reviewsite import time_limits
from tests import reviews
from tests.bulk_workers import BulkSite
from tests.classifier.jobs.databases import in_use, postgresql
from tests.services.client import Answer, predict, submit
from tests.site import Site

SLOW = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_sleep(30); RETURN NEW; END';
CREATE TRIGGER slow BEFORE INSERT ON classifier_prediction EXECUTE FUNCTION slow()
"""
ASKED = "SELECT name, setting FROM pg_settings WHERE name IN ({names}) ORDER BY name".format(
    names="'idle_in_transaction_session_timeout', 'lock_timeout', 'statement_timeout'"
)


def count(url: str, table: str = "classifier_prediction") -> int:
    with psycopg.connect(url) as asking:
        return int(asking.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # type: ignore[index]


@pytest.fixture
def site(postgresql_url: str, exported_model_dir: Path, tmp_path: Path) -> Iterator[Site]:
    with Site.started(
        tmp_path,
        CLASSIFIER_MODEL=str(exported_model_dir),
        DATABASE_URL=postgresql_url,
        DATABASE_STATEMENT_SECONDS="1.5",
        DATABASE_LOCK_SECONDS="0.5",
        SECRET_KEY="a secret that guards nothing, for a database that goes away",
        ALLOWED_HOSTS="127.0.0.1",
    ) as running:
        yield running


def assert_told_to_come_again(answer: Answer) -> None:
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    error = answer.json()["error"]
    assert (error["code"], error["value"]) == ("database_not_ready", "OperationalError")
    assert error["rule"]
    assert error["remedy"]


def test_a_statement_that_takes_too_long_is_503_and_nothing_is_lost(
    site: Site, postgresql_url: str
) -> None:
    assert predict(site, {"text": "a film of before"}).status == 200
    with psycopg.connect(postgresql_url) as database:
        database.execute(SLOW)

    asked = time.monotonic()
    with ThreadPoolExecutor(6) as several:
        answers = list(
            several.map(lambda number: predict(site, {"text": f"good {number}"}), range(6))
        )
    assert time.monotonic() - asked < 15  # the trigger sleeps for 30
    for answer in answers:
        assert_told_to_come_again(answer)
    page = submit(site, "a review that must not be lost")
    assert page.status == 503
    assert count(postgresql_url) == 1

    with psycopg.connect(postgresql_url) as database:
        database.execute("DROP TRIGGER slow ON classifier_prediction")
    # The connections of before are the ones that answer now.
    for number in range(6):
        assert predict(site, {"text": f"good {number}"}).status == 200
    assert count(postgresql_url) == 7
    assert "statement timeout" in site.log.read_text()
    assert "Traceback" not in site.log.read_text()


def test_a_lock_that_another_keeps_is_503_and_then_200(site: Site, postgresql_url: str) -> None:
    assert predict(site, {"text": "a film of before"}).status == 200
    with psycopg.connect(postgresql_url) as other:
        other.execute("LOCK TABLE classifier_prediction IN EXCLUSIVE MODE")
        asked = time.monotonic()
        assert_told_to_come_again(predict(site, {"text": "good"}))
        assert time.monotonic() - asked < 5

    assert predict(site, {"text": "good"}).status == 200
    assert count(postgresql_url) == 2
    assert "lock timeout" in site.log.read_text()


def test_maintenance_has_all_the_time_it_needs(site: Site, postgresql_url: str) -> None:
    code = "from django.db import connection as c; k = c.cursor(); k.execute({!r}); {}"
    code = code.format(ASKED, "print(dict(k.fetchall()))")
    said = site.manage("shell", "--no-imports", "--command", code)
    assert set(eval(said).values()) == {"0"}
    # Longer than a statement of the web process may take
    long = "from django.db import connection as c; c.cursor().execute('SELECT pg_sleep(2)')"
    site.manage("shell", "--no-imports", "--command", long)


@contextmanager
def limited(url: str, blocker: DjangoDbBlocker, **limits: float) -> Iterator[None]:
    """This process asks PostgreSQL as a web process does."""
    with blocker.unblock(), in_use(postgresql(url)):
        connection.close()
        time_limits.limit_web()
        try:
            yield
        finally:
            time_limits.unlimited()


def hold_a_lock(*, seconds: float) -> None:
    with transaction.atomic():
        connection.cursor().execute("LOCK TABLE classifier_prediction IN EXCLUSIVE MODE")
        time.sleep(seconds)
        connection.cursor().execute("SELECT 1")


def test_a_transaction_that_is_left_open_lets_go_of_its_rows(
    postgresql_url: str, django_db_blocker: DjangoDbBlocker, settings: Settings
) -> None:
    settings.DATABASE_IDLE_SECONDS = 0.5
    with limited(postgresql_url, django_db_blocker):
        with pytest.raises(OperationalError, match="idle"):
            hold_a_lock(seconds=1.5)
        with psycopg.connect(postgresql_url) as other:
            other.execute("LOCK TABLE classifier_prediction IN EXCLUSIVE MODE NOWAIT")
        connection.close()
        connection.cursor().execute("SELECT 1")


def left_open(url: str) -> None:
    """Write, then do nothing until PostgreSQL has ended this transaction."""
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE classifier_prediction IN EXCLUSIVE MODE")
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    with psycopg.connect(url, autocommit=True) as other:
        while other.execute("SELECT 1 FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone():
            time.sleep(0.05)


def slow_page(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        left_open(request.GET["url"])
    raise AssertionError("What was committed is lost, and nobody has noticed.")


class Addresses:
    """Those of the site, and a page whose COMMIT finds its transaction ended."""

    urlpatterns = (path("slow-page", slow_page), path("", include("reviewsite.urls")))


def test_a_commit_of_a_transaction_that_was_left_open_is_503(
    postgresql_url: str, django_db_blocker: DjangoDbBlocker, settings: Settings
) -> None:
    settings.DATABASE_IDLE_SECONDS = 0.5
    settings.ROOT_URLCONF = Addresses
    with limited(postgresql_url, django_db_blocker):
        response = Client().get("/slow-page", {"url": postgresql_url})
        assert response.status_code == 503
        assert int(response["Retry-After"]) > 0
        connection.cursor().execute("SELECT 1")


def test_another_internal_error_stays_one(
    postgresql_url: str, django_db_blocker: DjangoDbBlocker
) -> None:
    raising = "DO $$ BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = 'XX000'; END $$"
    with limited(postgresql_url, django_db_blocker), pytest.raises(InternalError, match="broken"):
        connection.cursor().execute(raising)


@pytest.mark.parametrize(
    ("limit", "statement"), [(time_limits.limit_web, "30000"), (time_limits.limit_worker, "300000")]
)
def test_each_connection_has_the_limits_of_its_process(
    limit: Any,
    statement: str,
    postgresql_url: str,
    django_db_blocker: DjangoDbBlocker,
    settings: Settings,
) -> None:
    settings.DATABASE_LOCK_SECONDS = 0  # the server's own, then
    with limited(postgresql_url, django_db_blocker):
        limit()
        for _ in range(2):
            connection.close()
            with connection.cursor() as cursor:
                cursor.execute(ASKED)
                assert dict(cursor.fetchall()) == {
                    "idle_in_transaction_session_timeout": "60000",
                    "lock_timeout": "0",
                    "statement_timeout": statement,
                }


def test_a_worker_that_waits_for_a_lock_in_vain_tries_again_and_rates_each_row_once(
    postgresql_url: str, exported_model_dir: Path, tmp_path: Path
) -> None:
    rows = [(number, f"{text} {number}", note) for number, text, note in reviews.rows(600) if text]
    environment = {
        "CLASSIFIER_MODEL": str(exported_model_dir),
        "DATABASE_URL": postgresql_url,
        "DATABASE_WORKER_STATEMENT_SECONDS": "5",
        "DATABASE_LOCK_SECONDS": "0.2",
    }
    with BulkSite.prepared(tmp_path, environment, chunk_seconds=0.3) as bulk:
        job = bulk.submit(reviews.as_bytes(rows, ".csv"))
        bulk.start("one")
        while not bulk.journal(job):
            assert bulk.status(job) in ("queued", "running"), bulk.said()
            time.sleep(0.02)
        with psycopg.connect(postgresql_url) as other:
            other.execute("LOCK TABLE classifier_bulkchunk IN ACCESS EXCLUSIVE MODE")
            time.sleep(2)
        assert bulk.wait_until_over(job, seconds=90) == "succeeded", bulk.said()
        assert "lock timeout" in bulk.log("one").read_text()
        assert count(postgresql_url) == len(rows)
