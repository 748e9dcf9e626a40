import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from classifier.jobs import CancelRequested, Claim, ClaimLost, Heart
from classifier.models import BulkJob
from tests.classifier.jobs.rows import claimed, expire, lease_left, row, snapshot
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("sqlite_file")

BEAT = 0.03  # seconds


def raised_by(check: Callable[[], None]) -> type[Exception] | None:
    try:
        check()
    except (ClaimLost, CancelRequested) as error:
        return type(error)
    return None


def beats(
    monkeypatch: pytest.MonkeyPatch, outage: threading.Event | None = None
) -> list[dict[str, Any]]:
    """What each heartbeat told; the database is away while there is an `outage`."""
    told: list[dict[str, Any]] = []
    heartbeat = Claim.heartbeat

    def counted(self: Claim, **fields: Any) -> bool:
        told.append(fields)
        if outage and outage.is_set():
            raise OperationalError("the database system is shutting down")
        return heartbeat(self, **fields)

    monkeypatch.setattr(Claim, "heartbeat", counted)
    return told


def test_it_beats_while_the_work_goes_on_and_not_after(monkeypatch: pytest.MonkeyPatch) -> None:
    told = beats(monkeypatch)
    claim = claimed()
    expire(claim.pk)
    with Heart(claim, every=BEAT) as heart:
        until(lambda: len(told) >= 3)
        heart.check()
        assert lease_left(claim.pk) > claim.lease - 5
    count, before = len(told), snapshot(claim.pk)
    time.sleep(5 * BEAT)
    assert len(told) == count
    assert snapshot(claim.pk) == before


def test_how_often_it_beats_is_a_setting(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.JOB_HEARTBEAT_SECONDS = BEAT
    told = beats(monkeypatch)
    with Heart(claimed()):
        until(lambda: told)


def test_an_end_does_not_wait_for_the_next_beat() -> None:
    started = time.monotonic()
    with Heart(claimed(), every=60):
        pass
    assert time.monotonic() - started < 5


def test_the_progress_reaches_the_row_with_the_next_beat() -> None:
    claim = claimed()
    with Heart(claim, every=BEAT) as heart:
        heart.progress(done=1, total=10, stage="reading")
        heart.progress(done=4)
        until(lambda: row(claim.pk).done == 4)
    assert (row(claim.pk).total, row(claim.pk).stage) == (10, "reading")


def test_who_cancels_ends_the_work_at_its_next_step() -> None:
    claim = claimed()
    with Heart(claim, every=BEAT) as heart:
        heart.check()
        BulkJob.objects.request_cancel(claim.pk)
        until(lambda: raised_by(heart.check))
        with pytest.raises(CancelRequested):
            heart.check()
    claim.cancel()


def test_who_loses_the_job_ends_the_work_at_its_next_step_and_beats_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = beats(monkeypatch)
    claim = claimed()
    with Heart(claim, every=BEAT) as heart:
        until(lambda: told)
        # As one update: a beat between would keep the job.
        BulkJob.objects.filter(pk=claim.pk).update(attempt=2, lease_owner="another:1:abc")
        until(lambda: raised_by(heart.check))
        with pytest.raises(ClaimLost, match=f"BulkJob {claim.pk} is no longer held"):
            heart.check()
        count = len(told)
        time.sleep(5 * BEAT)
        assert len(told) == count


def test_a_lost_job_weighs_more_than_its_cancelling() -> None:
    claim = claimed()
    heart = Heart(claim)
    BulkJob.objects.request_cancel(claim.pk)
    heart.beat()
    BulkJob.objects.filter(pk=claim.pk).update(attempt=2)
    heart.beat()
    with pytest.raises(ClaimLost):
        heart.check()


def test_an_outage_of_the_database_between_beats_costs_neither_job_nor_progress(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    outage = threading.Event()
    outage.set()
    told = beats(monkeypatch, outage)
    claim = claimed()
    with Heart(claim, every=BEAT) as heart:
        heart.progress(done=3, total=10, stage="rating")
        until(lambda: told)
        heart.progress(done=5)  # newer than what the failed beat still has to tell
        count = len(told)
        until(lambda: len(told) > count + 1)
        outage.clear()
        until(lambda: row(claim.pk).done == 5)
        heart.check()
    assert (row(claim.pk).total, row(claim.pk).stage) == (10, "rating")
    assert caplog.messages.count("No heartbeat: the database system is shutting down") >= 2


def test_progress_that_the_database_refuses_does_not_cost_the_job(
    caplog: pytest.LogCaptureFixture,
) -> None:
    claim = claimed()
    with Heart(claim, every=BEAT) as heart:
        heart.progress(done=11, total=10)
        until(lambda: "No heartbeat" in caplog.text)
        expire(claim.pk)
        until(lambda: lease_left(claim.pk) > 5)
        heart.check()
    assert "bulkjob_done_range" in caplog.text
    assert row(claim.pk).done == 0


def test_work_that_hangs_loses_its_job(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told = beats(monkeypatch)
    claim = claimed()
    with Heart(claim, every=BEAT, longest_step=5 * BEAT) as heart:
        until(lambda: f"BulkJob {claim.pk} hangs" in caplog.messages)
        count = len(told)
        time.sleep(5 * BEAT)
        assert len(told) == count
        # Should it come to itself, it ends: without a heart another worker has the job soon.
        with pytest.raises(ClaimLost):
            heart.check()


def test_work_with_many_short_steps_does_not_hang() -> None:
    claim = claimed()
    with Heart(claim, every=BEAT, longest_step=1) as heart:
        ends = time.monotonic() + 1.3
        while time.monotonic() < ends:
            time.sleep(0.05)
            heart.check()


def test_a_heart_that_fails_says_so_to_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Claim, **fields: Any) -> bool:
        raise MemoryError

    monkeypatch.setattr(Claim, "heartbeat", fail)
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    with Heart(claimed(), every=BEAT) as heart:
        until(lambda: raised_by(heart.check))


def test_the_connection_of_its_thread_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    connections: dict[int, Any] = {}
    heartbeat = Claim.heartbeat

    def seen(self: Claim, **fields: Any) -> bool:
        asked = heartbeat(self, **fields)
        wrapper: Any = connection._connections["default"]  # type: ignore[attr-defined]
        connections[threading.get_ident()] = wrapper
        return asked

    monkeypatch.setattr(Claim, "heartbeat", seen)
    with Heart(claimed(), every=BEAT):
        until(lambda: connections)
        (wrapper,) = connections.values()
        assert wrapper.connection is not None
    assert threading.get_ident() not in connections
    assert wrapper.connection is None


def test_its_thread_keeps_no_process_alive() -> None:
    threads = set(threading.enumerate())
    with Heart(claimed(), every=BEAT):
        (thread,) = set(threading.enumerate()) - threads
        assert (thread.name, thread.daemon) == ("heart", True)
    assert not thread.is_alive()
