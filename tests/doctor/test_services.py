from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from pytest_django import Settings

from classifier.models import BulkJob, Worker
from classifier.workers import give_sign
from reviewsite.doctor import Finding, Outcome, examine, services
from tests.classifier.jobs.databases import in_use, postgresql
from tests.servers import RedisServer, own_redis


def outcome(finding: Finding) -> Outcome:
    assert finding.told
    if finding.outcome in (Outcome.WARNING, Outcome.FAILED):
        assert finding.remedy
    return finding.outcome


@pytest.mark.django_db
def test_a_database_with_all_migrations_is_well() -> None:
    assert outcome(services.database()) == Outcome.OK
    assert outcome(services.migrations()) == Outcome.OK


@pytest.mark.django_db
def test_a_migration_that_is_missing_is_found() -> None:
    MigrationRecorder(connection).record_unapplied("classifier", "0012_other_tasks")

    finding = services.migrations()

    assert outcome(finding) == Outcome.FAILED
    assert "0012_other_tasks" in finding.told


@pytest.mark.django_db
def test_a_database_of_a_newer_version_is_found() -> None:
    MigrationRecorder(connection).record_applied("classifier", "0999_from_the_future")

    finding = services.migrations()

    assert outcome(finding) == Outcome.FAILED
    assert "classifier.0999_from_the_future" in finding.told


@pytest.mark.parametrize(
    ("workers", "expected"), [("1", Outcome.OK), ("10", Outcome.WARNING), ("99", Outcome.FAILED)]
)
def test_too_many_connections_are_found(
    workers: str,
    expected: Outcome,
    django_db_blocker: Any,
    postgresql_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", workers)
    with django_db_blocker.unblock(), in_use(postgresql(postgresql_url), tables=False):
        assert outcome(services.connections()) == expected


@pytest.fixture
def redis_server(tmp_path: Path, settings: Settings) -> Iterator[RedisServer]:
    with own_redis(tmp_path) as server:
        settings.REDIS_URL = server.url
        yield server


def test_redis_is_examined(redis_server: RedisServer, settings: Settings) -> None:
    assert outcome(services.redis()) == Outcome.OK
    assert outcome(services.redis_password()) == Outcome.WARNING
    assert outcome(services.redis_memory()) == Outcome.OK
    assert outcome(services.redis_persistence()) == Outcome.WARNING

    client = redis_server.client()
    client.config_set("maxmemory-policy", "allkeys-lru")
    assert outcome(services.redis_memory()) == Outcome.FAILED
    client.config_set("appendonly", "yes")
    assert outcome(services.redis_persistence()) == Outcome.OK

    client.config_set("requirepass", "right")
    settings.REDIS_URL = redis_server.url.replace("//", "//:wrong@")
    finding = services.redis()
    assert outcome(finding) == Outcome.FAILED
    assert "wrong" not in finding.told
    settings.REDIS_URL = redis_server.url.replace("//", "//:right@")
    assert outcome(services.redis()) == Outcome.OK
    assert outcome(services.redis_password()) == Outcome.OK


def test_a_redis_without_password_elsewhere_is_a_failure(settings: Settings) -> None:
    settings.REDIS_URL = "redis://redis.example:6379/0"

    assert outcome(services.redis_password()) == Outcome.FAILED


def test_a_redis_that_is_down_or_hangs_is_found(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "SECONDS", 0.2)
    redis_server.freeze()
    try:
        assert outcome(services.redis()) == Outcome.FAILED
    finally:
        redis_server.thaw()
    redis_server.stop()
    assert outcome(services.redis()) == Outcome.FAILED

    names = {each.name: each.finding.outcome for each in examine(["redis memory"])}
    assert names == {"redis": Outcome.FAILED, "redis memory": Outcome.SKIPPED}


def test_a_queue_in_a_folder_is_wrong_beside_postgresql(
    settings: Settings, django_db_blocker: Any, postgresql_url: str
) -> None:
    settings.REDIS_URL = ""
    settings.DEPLOYED = True
    with django_db_blocker.unblock(), in_use(postgresql(postgresql_url), tables=False):
        assert outcome(services.redis()) == Outcome.WARNING
    settings.DEPLOYED = False
    assert outcome(services.redis()) == Outcome.SKIPPED


@pytest.mark.django_db
def test_workers_are_found_by_their_signs_of_life() -> None:
    assert outcome(services.worker_bulk()) == Outcome.WARNING
    assert outcome(services.worker_training()) == Outcome.WARNING
    assert outcome(services.worker_celery()) == Outcome.FAILED

    BulkJob.objects.create(filename="a.csv", text_column="text")
    assert outcome(services.worker_bulk()) == Outcome.FAILED

    for queue in ("bulk", "training", "celery"):
        give_sign(f"{queue}@here", [queue])
    for probe in (services.worker_bulk, services.worker_training, services.worker_celery):
        assert outcome(probe()) == Outcome.OK

    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=2))
    assert outcome(services.worker_bulk()) == Outcome.FAILED


@pytest.mark.django_db
@pytest.mark.parametrize("ran_before", [False, True])
def test_before_beat_has_run_once_that_is_no_failure_for_one_interval(
    ran_before: bool, settings: Settings
) -> None:
    settings.REAP_SECONDS = 15.0
    if ran_before:
        give_sign(Worker.SCHEDULE)
        Worker.objects.update(seen_at=timezone.now() - timedelta(hours=9))
    give_sign("bulk@here", ["bulk"], starts=True)
    assert outcome(services.schedule()) == Outcome.FAILED

    give_sign("beat@here", ["celery"])
    long_ago = timezone.now() - timedelta(hours=9)
    Worker.objects.filter(pk="beat@here").update(since=long_ago)  # and was killed
    give_sign("beat@here", ["celery"], starts=True)
    finding = services.schedule()
    assert outcome(finding) == Outcome.SKIPPED
    assert "has not sent it yet" in finding.told

    Worker.objects.filter(pk="beat@here").update(since=timezone.now() - timedelta(seconds=25))
    give_sign("beat@here", ["celery"])
    assert outcome(services.schedule()) == Outcome.FAILED


@pytest.mark.django_db
def test_a_schedule_that_stands_still_is_found() -> None:
    assert outcome(services.schedule()) == Outcome.FAILED
    give_sign(Worker.SCHEDULE)
    assert outcome(services.schedule()) == Outcome.OK
    Worker.objects.update(seen_at=timezone.now() - timedelta(minutes=5))
    assert outcome(services.schedule()) == Outcome.FAILED
