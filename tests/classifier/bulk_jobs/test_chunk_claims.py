import time
from collections.abc import Callable

import pytest
from django.db import OperationalError
from django.db.models import QuerySet

from classifier.bulk_jobs.chunk_claims import ChunkClaim, claim_chunk, claimable
from classifier.jobs import ClaimLost, Heart
from classifier.models import BulkChunk, BulkJob, Prediction
from classifier.models.bulk import no_ratings
from tests.factories import make_prediction

pytestmark = pytest.mark.django_db

LONG_AGO = "2026-01-01T00:00Z"


@pytest.fixture
def job(db: None) -> BulkJob:
    job: BulkJob = BulkJob.objects.create(filename="reviews.csv", text_column="text")
    for number in (1, 2, 3):
        BulkChunk.objects.create(job=job, number=number, rows=10, input=b"texts %d" % number)
    return job


def claim(job: BulkJob) -> ChunkClaim:
    claimed = claim_chunk(job.pk)
    assert claimed
    return claimed


def finish(held: ChunkClaim, *predictions: Prediction) -> None:
    held.finish(b"ratings", bad_rows=1, ratings=no_ratings(), predictions=predictions)


def run_out(held: ChunkClaim) -> None:
    BulkChunk.objects.filter(pk=held.pk).update(lease_until=LONG_AGO)


def test_chunks_are_claimed_in_order_each_by_one(job: BulkJob) -> None:
    claims = [claim(job) for _ in range(3)]

    assert [held.number for held in claims] == [1, 2, 3]
    assert [held.input for held in claims] == [b"texts 1", b"texts 2", b"texts 3"]
    assert len({held.owner for held in claims}) == 3
    assert claim_chunk(job.pk) is None


def test_a_chunk_whose_lease_ran_out_is_anothers_after_all_others(job: BulkJob) -> None:
    lost = claim(job)
    run_out(lost)

    again = claim(job)
    assert (again.number, again.attempt, again.worker_losses) == (1, 2, 1)
    run_out(again)

    assert [claim(job).number for _ in range(3)] == [2, 3, 1]


def test_who_lost_a_chunk_writes_nothing(job: BulkJob) -> None:
    lost = claim(job)
    run_out(lost)
    again = claim(job)

    for write in (lost.heartbeat, lambda: finish(lost, make_prediction())):
        with pytest.raises(ClaimLost):
            write()
    lost.give_back()

    chunk = BulkChunk.objects.get(number=1)
    assert (chunk.rated_at, chunk.output, chunk.lease_owner) == (None, None, again.owner)
    assert chunk.lease_until
    finish(again)
    chunk.refresh_from_db()
    assert chunk.output == b"ratings"
    assert (chunk.input or chunk.lease_until) is None


def test_who_is_late_and_alone_still_writes(job: BulkJob) -> None:
    held = claim(job)
    run_out(held)

    finish(held)

    assert BulkChunk.objects.get(pk=held.pk).rated_at
    assert not claimable(job.pk).filter(pk=held.pk).exists()


def test_a_chunk_that_is_given_back_counts_no_loss(job: BulkJob) -> None:
    claim(job).give_back()

    assert (claim(job).number, claim_chunk(job.pk) and 0) == (1, 0)
    assert BulkChunk.objects.get(number=1).worker_losses == 0


def test_predictions_are_kept_with_the_chunk_or_not_at_all(job: BulkJob) -> None:
    held = claim(job)
    prediction = make_prediction()
    prediction.pk = "00000000-0000-0000-0000-000000000001"
    twin = make_prediction()
    twin.pk = prediction.pk

    with pytest.raises(Exception, match="UNIQUE"):
        finish(held, prediction, twin)

    assert BulkChunk.objects.get(pk=held.pk).rated_at is None
    assert Prediction.objects.count() == 2


def test_a_heart_renews_a_lease_and_hears_of_cancelling(job: BulkJob) -> None:
    held = claim(job)
    run_out(held)

    assert held.heartbeat() is False
    assert not claimable(job.pk).filter(pk=held.pk).exists()

    BulkJob.objects.filter(pk=job.pk).update(cancel_requested=True)
    heart = Heart(held)
    heart.beat()
    with pytest.raises(Exception) as caught:  # noqa: PT011
        heart.check()
    assert type(caught.value).__name__ == "CancelRequested"


@pytest.mark.django_db(transaction=True)
def test_a_lease_of_a_long_chunk_is_renewed_while_it_is_rated(
    job: BulkJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = claim_chunk(job.pk, lease=0.5)
    assert held
    with Heart(held, every=0.1):
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            assert not claimable(job.pk).filter(pk=held.pk).exists()
            time.sleep(0.02)
    finish(held)


@pytest.mark.django_db(transaction=True)
def test_an_update_whose_answer_is_lost_is_not_done_twice(
    job: BulkJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classifier.jobs.database.PAUSE", 0.0)
    really: Callable[..., int] = QuerySet.update
    losing: list[bool] = []

    def update(self: "QuerySet[BulkChunk]", **fields: object) -> int:
        updated = really(self, **fields)
        if losing and losing.pop():
            raise OperationalError("server closed the connection unexpectedly")
        return updated

    monkeypatch.setattr(QuerySet, "update", update)

    losing.append(True)
    held = claim(job)
    assert (held.number, held.attempt) == (1, 1)
    assert BulkChunk.objects.filter(lease_until__isnull=False).count() == 1

    # Of a transaction it is the answer to COMMIT that is lost with all of it done.
    finish(held)
    finish(held, Prediction(text="as persistently does then"))
    assert not Prediction.objects.exists()
