"""A bulk job whose sender waits for it, and finds it again where the waiting was cut short."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from time import sleep
from typing import BinaryIO
from uuid import UUID

from classifier.bulk.ratings import Summary
from classifier.bulk_jobs.control import retry
from classifier.bulk_jobs.errors import BulkError
from classifier.bulk_jobs.progress import progress_of
from classifier.bulk_jobs.submission import submit
from classifier.files import pieces
from classifier.jobs import persistently
from classifier.jobs.job import STATES
from classifier.jobs.progress import Progress
from classifier.messages import message
from classifier.models import BulkJob, Prediction
from classifier.ratings import LOWEST

LOOK_EVERY = 0.5  # seconds


def submit_once(source: Path, text_column: str, *, keep_texts: bool, note: Path) -> BulkJob:
    """The job that an earlier call has noted for the same file and question, or a new one.

    One that has failed is retried.

    Args:
        note: where the job is written down; to be removed when its result is fetched.

    Raises:
        TableError, BulkError: as submission.submit.
    """
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    asked = {"input_sha256": digest, "text_column": text_column, "keep_texts": keep_texts}
    if job := _noted(note, asked):
        if job.status == BulkJob.Status.FAILED:
            retry(job)
        return job
    with source.open("rb") as file:
        job = submit(
            file,
            source.name,
            text_column=text_column,
            keep_texts=keep_texts,
            source=Prediction.Source.COMMAND,
        )
    note.write_text(json.dumps(asked | {"job": str(job.pk)}), encoding="utf-8")
    return job


def wait(job: BulkJob, told: Callable[[BulkJob, Progress], None]) -> BulkJob:
    """Wait until a job has succeeded; `told` hears of it all the while.

    Raises:
        BulkError: it has failed, or was cancelled.
    """
    while True:
        held: BulkJob | None = persistently(
            BulkJob.objects.select_related("result").filter(pk=job.pk).first
        )
        if held is None:
            raise _without_result(message("it is deleted"))
        told(held, progress_of(held))
        if held.result:
            return held
        if held.is_over:
            raise _without_result(
                message(
                    "it is {status}. {error}",
                    status=STATES[held.Status(held.status)],
                    error=held.error,
                )
                if held.error
                else message("it is {status}", status=STATES[held.Status(held.status)])
            )
        sleep(LOOK_EVERY)


def _without_result(value: str) -> BulkError:
    return BulkError(
        code="bulk_without_result",
        rule=message("A bulk job must end with a result."),
        value=value,
        remedy=message("Start the command again: what is rated is kept where it has failed."),
    )


def fetch(job: BulkJob, out: BinaryIO) -> Summary:
    """Write the result of a job; what its rows were."""
    if job.result is None:
        raise FileNotFoundError(
            message("The result of {name} has been deleted.", name=job.filename)
        )
    for piece in pieces(job.result):
        out.write(piece)
    return Summary(
        rows=job.done,
        rated=job.rated_rows,
        bad=job.bad_rows,
        ratings=dict(enumerate(job.ratings, start=LOWEST)),
        bad_rows=[(row, reason) for row, reason in job.bad_row_reasons],
    )


def _noted(note: Path, asked: dict[str, object]) -> BulkJob | None:
    try:
        noted = json.loads(note.read_text(encoding="utf-8"))
        pk = UUID(noted.pop("job"))
    except (FileNotFoundError, ValueError, LookupError, TypeError, AttributeError):
        return None
    if noted != asked:
        return None
    kept = BulkJob.objects.filter(pk=pk, purged_at=None).exclude(status=BulkJob.Status.CANCELLED)
    job: BulkJob | None = persistently(kept.first)
    return job
