"""Jobs with many at once, on the databases as they are deployed."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psycopg
import pytest
from django.db import connection
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis.stateful import run_state_machine_as_test
from pytest_django import DjangoDbBlocker, Settings

from classifier.jobs import Claim, ClaimLost, Heart, database
from classifier.jobs.job import Status
from classifier.models import BulkJob
from tests.classifier.jobs.databases import in_use, postgresql, sqlite
from tests.classifier.jobs.lifecycle import EXAMPLES, STEPS, Lifecycle
from tests.classifier.jobs.rows import claimed, expire, lease_left, row
from tests.waiting import until

WORKERS = 8
JOBS = 200


@pytest.fixture(params=["sqlite", "postgresql"])
def _database(
    request: pytest.FixtureRequest, tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[None]:
    if request.param == "sqlite":
        chosen = sqlite(tmp_path / "db.sqlite3")
    else:
        chosen = postgresql(request.getfixturevalue("postgresql_url"))
    with django_db_blocker.unblock(), in_use(chosen):
        yield


@pytest.fixture
def postgres(postgresql_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """PostgreSQL holds the rows; its URL."""
    with django_db_blocker.unblock(), in_use(postgresql(postgresql_url)):
        yield postgresql_url


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """What `work` gives to each of the workers, who start together."""
    together = threading.Barrier(WORKERS)

    def run(number: int) -> Any:
        try:
            together.wait()
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(WORKERS) as executor:
        return list(executor.map(run, range(WORKERS)))


def submit_many() -> list[UUID]:
    jobs = [BulkJob(filename=f"{number}.csv", text_column="text") for number in range(JOBS)]
    return [job.pk for job in BulkJob.objects.bulk_create(jobs)]


def claims_of(pks: list[UUID]) -> list[Claim]:
    return [claim for pk in pks if (claim := BulkJob.objects.claim(pk))]


@pytest.mark.usefixtures("_database")
def test_each_job_goes_to_one_of_the_workers_who_want_it() -> None:
    pks = submit_many()

    taken = [claim for mine in at_once(lambda _: claims_of(pks)) for claim in mine]

    assert sorted(claim.pk for claim in taken) == sorted(pks)
    rows = dict(BulkJob.objects.values_list("pk", "lease_owner"))
    assert rows == {claim.pk: claim.owner for claim in taken}
    assert set(BulkJob.objects.values_list("attempt", "status")) == {(1, Status.RUNNING)}


@pytest.mark.usefixtures("_database")
def test_workers_who_take_what_is_next_finish_each_job_once() -> None:
    pks = submit_many()

    def work(number: int) -> list[UUID]:
        finished = []
        while claim := BulkJob.objects.claim_next():
            claim.succeed(stage=str(number))
            finished.append(claim.pk)
        return finished

    finished = at_once(work)

    assert sorted(pk for mine in finished for pk in mine) == sorted(pks)
    by_row = Counter(BulkJob.objects.values_list("stage", flat=True))
    assert by_row == {str(number): len(mine) for number, mine in enumerate(finished) if mine}
    assert set(BulkJob.objects.values_list("attempt", "status")) == {(1, Status.SUCCEEDED)}


@pytest.mark.usefixtures("_database")
def test_reapers_at_once_count_each_loss_once() -> None:
    pks = submit_many()
    assert len(claims_of(pks)) == JOBS
    BulkJob.objects.update(lease_until="2020-01-01T00:00:00Z")

    reaped = [job.pk for mine in at_once(lambda _: BulkJob.objects.reap()) for job in mine]

    assert sorted(reaped) == sorted(pks)
    assert set(BulkJob.objects.values_list("worker_losses", "status")) == {(1, Status.QUEUED)}


@pytest.mark.usefixtures("_database")
def test_a_job_is_never_both_taken_back_and_kept() -> None:
    """Half of the workers beat, while the others reap what has run out."""
    claims = claims_of(submit_many())
    BulkJob.objects.update(lease_until="2020-01-01T00:00:00Z")

    def beat_or_reap(number: int) -> list[UUID]:
        if number % 2:
            return [job.pk for job in BulkJob.objects.reap()]
        kept = []
        for claim in claims[number // 2 :: WORKERS // 2]:
            try:
                claim.heartbeat()
            except ClaimLost:
                continue
            kept.append(claim.pk)
        return kept

    done = at_once(beat_or_reap)

    kept = [pk for mine in done[::2] for pk in mine]
    reaped = [pk for mine in done[1::2] for pk in mine]
    assert sorted(kept + reaped) == sorted(claim.pk for claim in claims)
    assert set(BulkJob.objects.filter(pk__in=kept).values_list("status", "worker_losses")) <= {
        (Status.RUNNING, 0)
    }
    assert set(BulkJob.objects.filter(pk__in=reaped).values_list("status", "worker_losses")) <= {
        (Status.QUEUED, 1)
    }


@pytest.mark.usefixtures("_database")
def test_a_job_that_is_cancelled_while_it_comes_and_goes_ends_cancelled() -> None:
    """Whatever a worker does at that moment: no job may wait that nobody takes up."""
    pks = submit_many()[:40]
    half = WORKERS // 2

    def cancelled_as_it_moves(pk: UUID) -> bool:
        until(lambda: row(pk).attempt > 2)
        return BulkJob.objects.request_cancel(pk)

    def take_up_or_cancel(number: int) -> list[bool]:
        mine = pks[number % half :: half]
        if number < half:
            return [cancelled_as_it_moves(pk) for pk in mine]
        for pk in mine:  # from when it waits until it is cancelled
            deadline = time.monotonic() + 30
            while (claim := BulkJob.objects.claim(pk)) and time.monotonic() < deadline:
                claim.release()
        return []

    asked = [found for mine in at_once(take_up_or_cancel) for found in mine]

    assert asked == [True] * len(pks)
    over = BulkJob.objects.filter(pk__in=pks).values_list("status", "cancel_requested")
    assert set(over) == {(Status.CANCELLED, True)}


@pytest.mark.usefixtures("_database")
def test_the_clock_is_the_databases(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose clock is an hour ahead takes nothing from the others."""
    clock = time.time
    monkeypatch.setattr(time, "time", lambda: clock() + 3600)
    settings.TIME_ZONE = "Asia/Tokyo"
    claim = claimed()
    assert BulkJob.objects.reap() == []
    assert claim.lease - 5 < lease_left(claim.pk) <= claim.lease
    expire(claim.pk)
    assert len(BulkJob.objects.reap()) == 1


@pytest.mark.usefixtures("postgres")
def test_jobs_keep_their_promises_on_postgresql_too(
    record_property: Callable[[str, object], None],
) -> None:
    examples = EXAMPLES // 4  # a database of its own takes longer
    record_property("tried", examples)
    few = hypothesis_settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(Lifecycle, settings=few)


@contextmanager
def away(url: str) -> Iterator[None]:
    """The database ends its connections and takes no new one, as when it restarts."""
    name = urlsplit(url).path.lstrip("/")
    server = urlsplit(url)._replace(path="/postgres").geturl()
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS false')
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            admin.execute(f'ALTER DATABASE "{name}" WITH ALLOW_CONNECTIONS true')


def test_work_outlives_a_restart_of_its_database(
    postgres: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "PAUSE", 0.05)
    claim = claimed()
    with Heart(claim, every=0.1) as heart:
        heart.progress(done=1, total=9)
        until(lambda: row(claim.pk).done == 1)
        with away(postgres):
            heart.progress(done=2)
            until(lambda: "The database does not answer" in caplog.text)
            time.sleep(0.5)
            heart.check()
        back_at = time.monotonic()
        claim.write(stage="going on")
        until(lambda: row(claim.pk).done == 2)
        heart.check()
    claim.succeed()
    assert time.monotonic() - back_at < 10
    assert (row(claim.pk).status, row(claim.pk).attempt) == (Status.SUCCEEDED, 1)


def test_an_end_is_written_once_the_database_is_back(
    postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "PAUSE", 0.05)
    claim = claimed()

    def succeed() -> None:
        try:
            claim.succeed(rated_rows=7)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as executor:
        with away(postgres):
            succeeded = executor.submit(succeed)
            time.sleep(0.5)
            assert not succeeded.done()
        succeeded.result(timeout=30)
    connection.close()  # it was ended, too
    assert (row(claim.pk).status, row(claim.pk).rated_rows) == (Status.SUCCEEDED, 7)


def test_a_heart_leaves_no_connection_behind(postgres: str) -> None:
    def connections() -> int:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        with connection.cursor() as cursor:
            cursor.execute(query)
            (count,) = cursor.fetchone()
        return int(count)

    claim = claimed()
    assert connections() == 1
    with Heart(claim, every=0.05) as heart:
        heart.progress(done=1)
        until(lambda: row(claim.pk).done == 1)
        assert connections() == 2
    until(lambda: connections() == 1)
