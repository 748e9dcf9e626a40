import time
from datetime import timedelta
from unittest.mock import Mock

import pytest
from django.db import (
    IntegrityError,
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from django.db.models.functions import Now

from classifier.jobs import database, persistently
from classifier.jobs.database import from_now
from classifier.models import BulkJob
from tests.classifier.jobs.rows import row, submit


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "PAUSE", 0.02)


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
@pytest.mark.usefixtures("sqlite_file")
def test_a_database_that_comes_back_is_waited_for(
    error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    operation = Mock(side_effect=[error("gone away\nwith details"), error(), "done"])

    assert persistently(operation) == "done"

    assert operation.call_count == 3
    assert "The database does not answer (gone away); trying again" in caplog.messages
    assert f"The database does not answer ({error.__name__}); trying again" in caplog.messages


@pytest.mark.usefixtures("sqlite_file")
def test_patience_ends() -> None:
    operation = Mock(side_effect=OperationalError("gone away"))
    started = time.monotonic()

    with pytest.raises(OperationalError, match="gone away"):
        persistently(operation, patience=0.2)

    assert operation.call_count > 2
    assert 0.2 <= time.monotonic() - started < 5


@pytest.mark.usefixtures("sqlite_file")
def test_a_mistake_is_not_made_twice() -> None:
    operation = Mock(side_effect=IntegrityError)
    with pytest.raises(IntegrityError):
        persistently(operation)
    assert operation.call_count == 1


@pytest.mark.usefixtures("sqlite_file")
def test_within_a_transaction_it_is_tried_once_and_the_rest_is_undone() -> None:
    job = submit()
    operation = Mock(side_effect=OperationalError)

    @transaction.atomic
    def half() -> None:
        BulkJob.objects.filter(pk=job.pk).update(stage="half")
        persistently(operation)

    with pytest.raises(OperationalError):
        half()

    assert operation.call_count == 1
    assert row(job.pk).stage == ""


@pytest.mark.usefixtures("sqlite_file")
def test_after_an_error_the_connection_is_a_new_one() -> None:
    submit()
    seen = []

    def operation() -> int:
        BulkJob.objects.count()
        seen.append(connection.connection)
        if len(seen) == 1:
            raise OperationalError
        return len(seen)

    assert persistently(operation) == 2
    assert seen[0] is not seen[1]


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [-90, -0.5, 0, 0.25, 3600])
def test_moments_are_counted_from_the_databases_clock(seconds: float) -> None:
    job = submit()
    BulkJob.objects.filter(pk=job.pk).update(
        woken_at=Now(), queued_at=from_now(timedelta(seconds=seconds))
    )
    job = row(job.pk)
    assert job.woken_at
    assert (job.queued_at - job.woken_at).total_seconds() == pytest.approx(seconds, abs=0.002)
