"""What pages and API have in common of bulk jobs: statuses of errors, and the result itself."""

from pathlib import PurePath

from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header

from classifier.bulk.errors import TableError
from classifier.exceptions import ClassifierError
from classifier.files import pieces
from classifier.jobs.job import STATES
from classifier.messages import message
from classifier.models import BulkJob
from classifier.uploads import FIELD, UploadRefused

CONTENT_TYPES = {
    ".csv": "text/csv; charset=utf-8",
    ".tsv": "text/tab-separated-values; charset=utf-8",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
RETRY_SECONDS = 30  # when too many files wait; by then one may be done

STATUSES = {
    "bulk_too_large": 413,
    "bulk_queue_full": 503,
    "bulk_not_over": 409,
    "bulk_over": 409,
    "bulk_not_retried": 409,
    "bulk_not_ready": 409,
    "bulk_purged": 410,
}


class ResultNotThere(ClassifierError):
    """The job has no result, not yet or no more."""


def status_of(error: ClassifierError) -> int:
    if isinstance(error, UploadRefused):
        return error.status
    return STATUSES.get(error.code, 400)


def field_of(error: ClassifierError) -> str | None:
    """Which field of the form an error is about."""
    if error.code.startswith("column_un"):
        return "text_column"
    return FIELD if isinstance(error, UploadRefused | TableError) else None


def result_response(job: BulkJob, request: HttpRequest) -> HttpResponseBase:
    """The result as a download, streamed.

    Args:
        job: with `result` selected.

    Raises:
        ResultNotThere: there is none, with the status that `status_of` knows.
    """
    if job.purged_at:
        raise ResultNotThere(
            code="bulk_purged",
            rule=message("A result is there until it is deleted."),
            value=message(
                "it was deleted at {time}",
                time=job.purged_at.isoformat(timespec="seconds"),
            ),
            remedy=message("Send the file again."),
        )
    file = job.result
    if file is None:
        raise ResultNotThere(
            code="bulk_not_ready",
            rule=message("A result is there once its job has succeeded."),
            value=message("a job that is {status}", status=STATES[job.Status(job.status)]),
            remedy=message("Retry it, or send the file again.")
            if job.is_over
            else message("Ask again later."),
        )
    etag = f'"{file.sha256}"'
    if unchanged := get_conditional_response(request, etag=etag):
        return unchanged
    response = StreamingHttpResponse(
        pieces(file),
        headers={
            # No browser shall show what strangers have written as a page of ours.
            "Content-Type": CONTENT_TYPES.get(
                PurePath(file.name).suffix.lower(), "application/octet-stream"
            ),
            "Content-Disposition": content_disposition_header(True, _printable(file.name)) or "",
            "Content-Length": str(file.size),
            "ETag": etag,
        },
    )
    return response


def _printable(name: str) -> str:
    return "".join(character for character in name if character.isprintable())
