"""Files of reviews: sent, watched, fetched, cancelled and deleted by programs."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponseBase
from django.utils.cache import add_never_cache_headers
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from classifier.api.admission import admit
from classifier.api.base import IDEMPOTENCY_KEY, ApiView, errors
from classifier.api.idempotency import Turn, turn, wants_turn
from classifier.api.requests import InvalidRequest
from classifier.api.serializers import BulkJobSerializer, BulkRequestSerializer
from classifier.bulk.errors import TableError
from classifier.bulk.preview import preview
from classifier.bulk.table import listed
from classifier.bulk.tables import open_table
from classifier.bulk_http import result_response
from classifier.bulk_jobs import control, retention, submission
from classifier.bulk_jobs.errors import BulkError
from classifier.bulk_shown import shown_jobs
from classifier.jobs.job import STATES
from classifier.messages import counted, message, told
from classifier.models import BulkJob, Prediction, Scope
from classifier.uploads import receive_uploads, uploaded_file

JOB_ID = OpenApiParameter("job_id", OpenApiTypes.UUID, OpenApiParameter.PATH)
YES, NO = {"true", "1", "yes", "on"}, {"false", "0", "no", "off", ""}


class BulkView(ApiView):
    scope = Scope.BULK
    parser_classes = (MultiPartParser,)
    advice = {
        "parse_error": (
            message("The body must be a form in multipart/form-data."),
            message("Send it as curl -F file=@reviews.csv does."),
        ),
        "unsupported_media_type": (
            message("The content type is multipart/form-data."),
            message("Send the file as curl -F file=@reviews.csv does."),
        ),
        "method_not_allowed": (
            message("The address answers to the methods in the Allow header."),
            message("Use one of them; /api/docs lists them all."),
        ),
        "not_found": (
            message("A job has the address that the request which made it was answered with."),
            message("Look at the Location header of that answer."),
        ),
    }

    def finalize_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(*args, **kwargs)
        add_never_cache_headers(response)  # no-store, private
        return response


class BulkJobsView(BulkView):
    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        receive_uploads(request._request)

    @extend_schema(
        operation_id="bulk_create",
        summary="Rate every row of a file",
        description="The answer comes at once; the rating goes on in the background. "
        "CSV, TSV, JSON Lines or XLSX.",
        parameters=[IDEMPOTENCY_KEY],
        request={"multipart/form-data": BulkRequestSerializer},
        responses={202: BulkJobSerializer, **errors(400, 409, 411, 413, 422, 507)},
    )
    def post(self, request: Request) -> Response:
        given, sent = request.data, request._request
        file = uploaded_file(sent)
        asked = _Asked(file, _one(given, "text_column"), _keep_texts(_one(given, "keep_texts")))
        if not wants_turn(sent):
            return _accepted(asked.submit(Turn()))
        with turn(sent, admit(sent, self.scope), asked.digest()) as mine:
            job = shown_jobs().filter(pk__in=mine.made or []).first()
            if job is not None:
                return _accepted(job, {"Idempotent-Replayed": "true"})
            return _accepted(asked.submit(mine))


@dataclass(frozen=True)
class _Asked:
    """What a request asks for."""

    file: UploadedFile
    text_column: str | None
    keep_texts: bool

    def digest(self) -> bytes:
        """SHA-256 of it all; the boundaries of the form are other ones each time."""
        said = repr((self.file.name, self.text_column, self.keep_texts))
        content = hashlib.file_digest(self.file.file, "sha256").hexdigest()  # type: ignore[arg-type]
        self.file.seek(0)
        return hashlib.sha256(f"{said}\n{content}".encode("utf-8", "surrogatepass")).digest()

    def submit(self, turn: Turn) -> BulkJob:
        name = self.file.name or ""
        column = _guessed(self.file, name) if self.text_column is None else self.text_column
        return submission.submit(
            self.file,  # type: ignore[arg-type]
            name,
            text_column=column,
            keep_texts=self.keep_texts,
            source=Prediction.Source.API,
            made=lambda job: turn.keep([str(job.pk)]),
        )


def _accepted(job: BulkJob, headers: dict[str, str] | None = None) -> Response:
    answer = BulkJobSerializer(shown_jobs().get(pk=job.pk)).data
    return Response(
        answer,
        status=status.HTTP_202_ACCEPTED,
        headers={"Location": answer["url"], **(headers or {})},
    )


class BulkJobView(BulkView):
    @extend_schema(
        operation_id="bulk_read",
        summary="How far a job is; once it has succeeded, what came of it",
        parameters=[JOB_ID],
        responses={200: BulkJobSerializer, **errors(404)},
    )
    def get(self, request: Request, job_id: str) -> Response:
        return Response(BulkJobSerializer(_job(job_id)).data)

    @extend_schema(
        operation_id="bulk_delete",
        summary="Delete the files of a job that is over; its counts stay",
        parameters=[JOB_ID],
        responses={204: None, **errors(404, 409)},
    )
    def delete(self, request: Request, job_id: str) -> Response:
        retention.purge(_job(job_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class BulkCancelView(BulkView):
    @extend_schema(
        operation_id="bulk_cancel",
        summary="Cancel a job: at once where it waits, soon where it runs",
        parameters=[JOB_ID],
        request=None,
        responses={202: BulkJobSerializer, **errors(404, 409)},
    )
    def post(self, request: Request, job_id: str) -> Response:
        job = _job(job_id)
        if not control.cancel(job):
            raise BulkError(
                code="bulk_over",
                rule=message("Only a job that is not over can be cancelled."),
                value=message(
                    "a job that is {status}", status=STATES[job.Status(_job(job_id).status)]
                ),
                remedy=message("Delete its files instead."),
            )
        return Response(BulkJobSerializer(_job(job_id)).data, status=status.HTTP_202_ACCEPTED)


class _Whatever(DefaultContentNegotiation):
    """The result is in its own format, whatever the request would accept; errors are JSON."""

    def select_renderer(
        self, request: Request, renderers: Any, format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        return renderers[0], renderers[0].media_type


class BulkResultView(BulkView):
    content_negotiation_class = _Whatever

    @extend_schema(
        operation_id="bulk_result",
        summary="The file with label, score, rating, its interval and error of each row",
        parameters=[JOB_ID],
        responses={
            (200, "application/octet-stream"): OpenApiTypes.BINARY,
            **errors(404, 409, 410),
        },
    )
    def get(self, request: Request, job_id: str) -> HttpResponseBase:
        return result_response(_job(job_id), request._request)


def _job(job_id: str) -> BulkJob:
    try:
        return shown_jobs().get(pk=UUID(job_id))
    except (ValueError, BulkJob.DoesNotExist):
        raise NotFound(told(message("no job {id}", id=repr(job_id[:50])))) from None


def _one(given: Any, name: str) -> str | None:
    """The one value of a field; None where it is not there.

    Raises:
        InvalidRequest: there are several, so that none of them is lost.
    """
    values = given.getlist(name) if hasattr(given, "getlist") else []
    if len(values) > 1:
        raise InvalidRequest(
            code=f"{name}_several",
            rule=message("The field {name} may stand in a request once.", name=name),
            value=counted("{count} time", "{count} times", count=len(values)),
            remedy=message("Send it once."),
        )
    return str(values[0]) if values else None


def _keep_texts(value: str | None) -> bool:
    """
    Raises:
        InvalidRequest: it is neither yes nor no.
    """
    said = (value or "").strip().lower()
    if said not in YES | NO:
        raise InvalidRequest(
            code="keep_texts_value",
            rule=message("keep_texts must be true or false."),
            value=repr(said[:50]),
            remedy=message("Send true to keep the texts, false or nothing to delete them."),
        )
    return said in YES


def _guessed(file: Any, name: str) -> str:
    """The only column that can be meant.

    Raises:
        TableError: it is no table, or it is not clear which column that is.
    """
    with open_table(file.file, name) as table:
        seen = preview(table)
    file.seek(0)
    if seen.text_column is None or not seen.certain:
        raise TableError(
            code="column_unclear",
            rule=message("It must be clear which column holds the texts."),
            value=message("the columns {names}", names=listed(seen.columns)),
            remedy=message("Name it in the field text_column."),
        )
    return seen.text_column
