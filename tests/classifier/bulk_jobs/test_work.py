"""Whole jobs in this process, with the tiny model."""

import csv
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from django.conf import settings as site_settings
from django.db.models import Sum
from pytest_django import Settings

from classifier.bulk_jobs import coordination, rating, work
from classifier.bulk_jobs.chunk_claims import claim_chunk
from classifier.bulk_jobs.control import cancel, retry
from classifier.bulk_jobs.progress import progress_of
from classifier.bulk_jobs.retention import drop_inputs
from classifier.bulk_jobs.served import WAITS_FOR_MODEL, Served, served
from classifier.bulk_jobs.splitting import split
from classifier.exceptions import ModelNotReady
from classifier.files import open_stored
from classifier.jobs import ClaimLost
from classifier.messages import from_data
from classifier.models import BulkChunk, BulkJob, FilePiece, Prediction, StoredFile, text_digest
from tests import reviews
from tests.classifier.bulk_jobs.conftest import Submit

pytestmark = pytest.mark.django_db

ROWS = 600  # three chunks


def result_of(job: BulkJob) -> bytes:
    job.refresh_from_db()
    assert job.status == "succeeded", job.error
    assert job.result
    return open_stored(job.result).read()


def expected(ending: str, count: int = ROWS) -> bytes:
    content = reviews.as_bytes(reviews.rows(count), ending)
    max_chars = site_settings.CLASSIFIER_MAX_CHARS
    return reviews.rated_here(content, f"reviews{ending}", served().classify, max_chars=max_chars)


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".xlsx"])
def test_a_job_gives_the_bytes_that_rating_without_a_queue_gives(
    ending: str, submitted: Submit, served_model: Path
) -> None:
    job = submitted(ROWS, ending)

    work.work()

    assert reviews.digest(result_of(job)) == reviews.digest(expected(ending))
    assert job.result
    assert job.result.name == f"reviews-rated{ending}"
    assert (job.done, job.total, job.rated_rows, job.bad_rows) == (ROWS, ROWS, ROWS - 12, 12)
    assert sum(job.ratings) == ROWS - 12
    assert [row for row, _ in job.bad_row_reasons] == list(range(50, ROWS + 1, 50))
    assert (job.stage, job.error, job.attempt) == ("", "", 1)
    assert job.model_version == served().version


def test_nothing_of_the_texts_is_left_but_the_result(submitted: Submit, served_model: Path) -> None:
    job = submitted()

    work.work()

    job.refresh_from_db()
    assert job.upload is None
    assert not BulkChunk.objects.exists()
    assert not Prediction.objects.exists()
    assert list(StoredFile.objects.all()) == [job.result]
    assert set(FilePiece.objects.values_list("file", flat=True)) == {job.result_id}


def test_texts_that_are_kept_are_predictions_each_once(
    submitted: Submit, served_model: Path
) -> None:
    submitted(ROWS, keep_texts=True)

    work.work()

    good = {text for _, text, _ in reviews.rows(ROWS) if text}
    kept = Prediction.objects.all()
    assert {prediction.text for prediction in kept} == good
    assert kept.count() == ROWS - 12
    first = kept.first()
    assert first
    assert first.source == "bulk"
    assert first.text_sha256 == text_digest(first.text)
    assert first.label in ("NEGATIVE", "POSITIVE")


def test_intervals_are_in_the_result_and_in_what_is_kept(
    submitted: Submit, starred_model: Path
) -> None:
    job = submitted(ROWS, keep_texts=True)

    work.work()

    kept = {prediction.text: prediction for prediction in Prediction.objects.all()}
    rows = csv.DictReader(StringIO(result_of(job).decode(), newline=""))
    rated = [row for row in rows if row["label"]]
    assert len(rated) == ROWS - 12
    for row in rated:
        interval = int(row["rating_low"]), int(row["rating_high"])
        assert kept[row["text"]].rating_interval == interval


def test_no_text_is_read_beyond_what_the_model_reads(
    submitted: Submit, served_model: Path, settings: Settings
) -> None:
    settings.CLASSIFIER_READ_CHARS = 10
    submitted(20, keep_texts=True)

    work.work()

    assert Prediction.objects.filter(truncated=True).count() == 20
    assert all(prediction.text[10:] for prediction in Prediction.objects.all())


def test_jobs_are_done_in_their_turn(submitted: Submit, served_model: Path) -> None:
    jobs = [submitted(30) for _ in range(3)]

    work.work()

    ends = list(BulkJob.objects.order_by("finished_at").values_list("pk", flat=True))
    assert ends == [job.pk for job in jobs]


def test_a_small_file_does_not_wait_for_a_large_one(
    submitted: Submit, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordination, "SLICE", 0.0)
    monkeypatch.setattr(coordination, "TELL_EVERY", 0.0)
    large, small = submitted(2000), submitted(20)

    work.work()

    assert reviews.digest(result_of(large)) == reviews.digest(expected(".csv", 2000))
    result_of(small)
    assert small.finished_at
    assert large.finished_at
    assert small.finished_at < large.finished_at
    assert large.attempt > 1


def test_a_worker_that_stops_leaves_the_job_to_the_next_with_all_that_is_rated(
    submitted: Submit, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submitted()
    rated: list[int] = []
    asked = False
    really = rating.rate

    def rate_and_ask(claim, model, *, keep_texts):  # type: ignore[no-untyped-def]
        nonlocal asked
        really(claim, model, keep_texts=keep_texts)
        rated.append(claim.number)
        asked = True

    monkeypatch.setattr(rating, "rate", rate_and_ask)
    for module in (coordination, work):
        monkeypatch.setattr(module, "shutting_down", lambda: asked)
    for left in (2, 1, 0):
        asked = False
        work.work()
        job.refresh_from_db()
        assert (job.status, job.lease_until) == ("queued", None)
        assert job.chunks.filter(rated_at=None).count() == left

    asked = False
    work.work()

    assert rated == [1, 2, 3]
    assert reviews.digest(result_of(job)) == reviews.digest(expected(".csv"))
    assert job.worker_losses == 0


def test_a_cancelled_job_ends_within_a_chunk_and_leaves_nothing(
    submitted: Submit, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submitted()
    rated: list[int] = []
    really = rating.rate

    def rate_and_cancel(claim, model, *, keep_texts):  # type: ignore[no-untyped-def]
        rated.append(claim.number)
        assert cancel(job)
        really(claim, model, keep_texts=keep_texts)

    monkeypatch.setattr(rating, "rate", rate_and_cancel)

    work.work()

    job.refresh_from_db()
    assert job.status == "cancelled"
    assert rated == [1]
    assert not BulkChunk.objects.exists()
    assert not StoredFile.objects.exists()
    assert not cancel(job)


def test_a_job_that_waits_is_cancelled_at_once(submitted: Submit) -> None:
    job = submitted()

    assert cancel(job)

    job.refresh_from_db()
    assert job.status == "cancelled"
    assert not StoredFile.objects.exists()


def test_without_a_model_jobs_wait_and_say_why(submitted: Submit, no_model: Path) -> None:
    job = submitted()

    work.work()

    job.refresh_from_db()
    assert (job.status, job.attempt, job.stage) == ("queued", 0, WAITS_FOR_MODEL)
    assert str(no_model) in job.error


def test_a_model_that_fails_at_a_chunk_fails_the_job_and_a_retry_keeps_what_is_rated(
    submitted: Submit, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submitted()
    really = Served.classify
    calls: list[int] = []

    def classify(self: Served, texts: list[str]) -> object:
        calls.append(len(texts))
        if len(calls) == 2:
            raise ModelNotReady(code="model_broken", rule="Finite.", value="NaN", remedy="Train.")
        return really(self, texts)

    monkeypatch.setattr(Served, "classify", classify)

    work.work()

    job.refresh_from_db()
    assert (job.status, job.error) == ("failed", "Finite. Found: NaN. Train.")
    assert job.chunks.filter(rated_at=None).count() == 2
    assert not job.chunks.exclude(lease_until=None).exists()

    retry(job)
    work.work()

    assert len(calls) == 4
    monkeypatch.setattr(Served, "classify", really)
    assert reviews.digest(result_of(job)) == reviews.digest(expected(".csv"))


def test_an_error_nobody_thought_of_fails_the_job_and_names_itself(
    submitted: Submit, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def classify(self: Served, texts: list[str]) -> object:
        raise RuntimeError("CUDA out of memory\nand more")

    job = submitted()
    monkeypatch.setattr(Served, "classify", classify)

    work.work()

    job.refresh_from_db()
    assert job.status == "failed"
    assert "RuntimeError: CUDA out of memory. " in job.error


def test_a_job_is_rated_by_one_version_of_the_model(
    submitted: Submit, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submitted()
    version = served().version
    version.pk = None
    version.revision = "another"
    version.save()
    BulkJob.objects.filter(pk=job.pk).update(model_version=version)

    work.work()

    job.refresh_from_db()
    assert (job.status, job.attempt, job.stage) == ("queued", 0, WAITS_FOR_MODEL)
    assert "one version of the model" in job.error

    retry(job, anew=True)
    work.work()
    assert reviews.digest(result_of(job)) == reviews.digest(expected(".csv"))


def test_a_helper_does_not_touch_what_another_version_rates(
    submitted: Submit, served_model: Path
) -> None:
    job = submitted()
    version = served().version
    other = type(version).objects.create(name="tiny", revision="another")
    assert BulkJob.objects.claim(job.pk)
    BulkJob.objects.filter(pk=job.pk).update(model_version=other, split_at="2026-01-01T00:00Z")
    BulkChunk.objects.create(job=job, number=1, rows=1, input=b"")

    work.work()

    assert BulkChunk.objects.get().attempt == 0


def test_a_helper_rates_what_the_coordinator_leaves(submitted: Submit, served_model: Path) -> None:
    job = submitted()
    claim = BulkJob.objects.claim(job.pk)
    assert claim
    model = served()
    claim.write(model_version=model.version)
    split(job, claim, lambda made: None)

    work.work()

    assert job.chunks.filter(rated_at=None).count() == 0
    held = BulkJob.objects.get(pk=job.pk)
    assert held.status == "running"
    assert progress_of(held).done == ROWS
    coordination.coordinate(claim, model)
    assert reviews.digest(result_of(job)) == reviews.digest(expected(".csv"))


def test_a_chunk_with_which_three_workers_were_lost_is_bad_rows_and_the_rest_goes_on(
    submitted: Submit, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submitted(ROWS, keep_texts=True)
    poison = reviews.rows(ROWS)[300][1]  # a row of the second chunk

    class Killed(BaseException):
        """As kill -9: nothing is written any more."""

    really = Served.classify

    def classify(self: Served, texts: list[str]) -> object:
        if poison in texts:
            raise Killed
        return really(self, texts)

    monkeypatch.setattr(Served, "classify", classify)
    killed = 0
    while not BulkJob.objects.get(pk=job.pk).is_over:
        try:
            work.work()
        except Killed:
            killed += 1
            BulkJob.objects.filter(pk=job.pk).update(lease_until="2026-01-01T00:00Z")
            job.chunks.filter(lease_until__isnull=False).update(lease_until="2026-01-01T00:00Z")
            [reaped] = BulkJob.objects.reap()
            assert reaped.status == "queued"

    job.refresh_from_db()
    assert killed == 3
    assert job.status == "succeeded"
    assert job.bad_rows == 256 + 12 - 5  # those of the chunk, and empty ones, five in both
    assert job.bad_row_reasons[5][0] == 257
    assert "Workers must survive" in from_data(job.bad_row_reasons[5][1])
    assert Prediction.objects.count() == job.rated_rows == ROWS - job.bad_rows


def test_a_job_of_one_chunk_that_kills_its_workers_ends_too(
    submitted: Submit, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = submitted(10)

    def classify(self: Served, texts: list[str]) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(Served, "classify", classify)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            work.work()
        BulkJob.objects.filter(pk=job.pk).update(lease_until="2026-01-01T00:00Z")
        job.chunks.update(lease_until="2026-01-01T00:00Z")
        assert BulkJob.objects.reap()

    work.work()

    job.refresh_from_db()
    assert (job.status, job.bad_rows) == ("succeeded", 10)


def test_a_split_goes_on_behind_the_last_chunk(submitted: Submit, served_model: Path) -> None:
    job = submitted(ROWS)
    claim = BulkJob.objects.claim(job.pk)
    assert claim
    split(job, claim, lambda made: None)
    inputs = list(job.chunks.order_by("number").values_list("number", "rows", "input"))
    BulkChunk.objects.filter(number__gt=1).delete()
    made: list[bool] = []

    split(job, claim, made.append)

    assert list(job.chunks.order_by("number").values_list("number", "rows", "input")) == inputs
    assert made.count(True) == 1
    assert BulkChunk.objects.aggregate(rows=Sum("rows"))["rows"] == ROWS


def test_whoever_lost_the_job_makes_no_chunk_of_it(submitted: Submit) -> None:
    job = submitted(ROWS)
    claim = BulkJob.objects.claim(job.pk)
    assert claim
    BulkJob.objects.filter(pk=job.pk).update(attempt=2)

    with pytest.raises(ClaimLost):
        split(job, claim, lambda made: None)

    assert not BulkChunk.objects.exists()


def test_an_upload_that_is_gone_fails_the_job(submitted: Submit, served_model: Path) -> None:
    job = submitted()
    StoredFile.objects.all().delete()

    work.work()

    job.refresh_from_db()
    assert (job.status, job.error) == ("failed", "reviews.csv has been deleted.")


def test_nothing_to_do_loads_no_model(no_model: Path, db: None) -> None:
    work.work()

    from classifier.predictor import holder

    assert holder.failure is None


def test_a_helper_whose_job_goes_away_keeps_nothing(submitted: Submit, served_model: Path) -> None:
    job = submitted(300, keep_texts=True)
    claim = BulkJob.objects.claim(job.pk)
    assert claim
    split(job, claim, lambda made: None)
    chunk = claim_chunk(job.pk)
    assert chunk
    claim.cancel()
    drop_inputs(job)

    with pytest.raises(ClaimLost):
        rating.rate(chunk, served(), keep_texts=True)

    assert not Prediction.objects.exists()


def test_content_of_another_kind_is_refused_at_once(served_model: Path, db: None) -> None:
    from classifier.bulk.errors import TableError
    from classifier.bulk_jobs.submission import receive

    with pytest.raises(TableError):
        receive(BytesIO(b"PK\x03\x04 an archive"), "reviews.csv")
    assert not StoredFile.objects.exists()
