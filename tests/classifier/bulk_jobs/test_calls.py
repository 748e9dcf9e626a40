"""Who is woken, and how often."""

from collections.abc import Iterator

import pytest

from classifier.bulk_jobs import helpers, work
from classifier.models import BulkChunk, BulkJob
from tests.classifier.bulk_jobs.conftest import Submit

pytestmark = pytest.mark.django_db


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    made: list[object] = []
    monkeypatch.setattr(helpers, "wake", lambda task, model, pk: made.append(pk))
    monkeypatch.setattr(work, "wake_waiting", lambda task, model: 0)
    monkeypatch.setattr(helpers, "_next_call", 0.0)
    return iter([made])


def test_a_process_calls_once_in_some_seconds(
    calls: Iterator[list[object]], submitted: Submit
) -> None:
    made, job = next(calls), submitted(10)

    for _ in range(20):
        helpers.call_for_help(job.pk)

    assert made == [job.pk]
    helpers.call_for_help(job.pk, at_once=True)
    assert len(made) == 2


def test_the_reaper_calls_a_helper_where_there_is_work_for_one(
    calls: Iterator[list[object]], submitted: Submit
) -> None:
    made, job = next(calls), submitted(10)
    claim = BulkJob.objects.claim(job.pk)
    assert claim

    work.reap()
    assert made == []  # no chunk yet

    chunk = BulkChunk.objects.create(job=job, number=1, rows=1, input=b"")
    work.reap()
    assert made == [job.pk]

    BulkChunk.objects.filter(pk=chunk.pk).update(lease_until="2100-01-01T00:00Z")
    work.reap()
    assert len(made) == 1  # one has it in hand

    BulkChunk.objects.filter(pk=chunk.pk).update(lease_until="2026-01-01T00:00Z")
    work.reap()
    assert len(made) == 2  # and is lost


def test_the_wake_up_goes_to_the_queue_of_bulk_jobs() -> None:
    from celery import current_app

    from classifier.tasks import rate_bulk_jobs

    assert rate_bulk_jobs.name == helpers.TASK
    options = current_app.amqp.router.route({}, helpers.TASK)
    assert options["queue"].name == "bulk"
