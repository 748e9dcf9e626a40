"""Files of reviews: sent, watched, fetched, cancelled and deleted by programs."""

from typing import Any
from uuid import UUID

from django.http import HttpResponseBase
from django.utils.cache import add_never_cache_headers
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from classifier.api.requests import InvalidRequest
from classifier.api.serializers import BulkJobSerializer, BulkRequestSerializer, ErrorSerializer
from classifier.bulk.errors import TableError
from classifier.bulk.preview import preview
from classifier.bulk.table import listed
from classifier.bulk.tables import open_table
from classifier.bulk_http import result_response
from classifier.bulk_jobs import control, retention, submission
from classifier.bulk_jobs.errors import BulkError
from classifier.bulk_shown import shown_jobs
from classifier.models import BulkJob, Prediction
from classifier.uploads import receive_uploads, uploaded_file

JOB_ID = OpenApiParameter("job_id", OpenApiTypes.UUID, OpenApiParameter.PATH)
YES, NO = {"true", "1", "yes", "on"}, {"false", "0", "no", "off", ""}


def errors(*codes: int) -> dict[tuple[int, str], type[ErrorSerializer]]:
    return {(code, "application/json"): ErrorSerializer for code in codes}


class BulkView(APIView):
    """Open to all; no cookie is read, so none is abused."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    parser_classes = (MultiPartParser,)
    advice = {
        "parse_error": (
            "The body must be a form in multipart/form-data.",
            "Send it as curl -F file=@reviews.csv does.",
        ),
        "unsupported_media_type": (
            "The content type is multipart/form-data.",
            "Send the file as curl -F file=@reviews.csv does.",
        ),
        "method_not_allowed": (
            "The address answers to the methods in the Allow header.",
            "Use one of them; /api/docs lists them all.",
        ),
        "not_found": (
            "A job has the address that the request which made it was answered with.",
            "Look at the Location header of that answer.",
        ),
    }
    """Rule and remedy of the framework's own errors, for classifier.api.errors."""

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
        request={"multipart/form-data": BulkRequestSerializer},
        responses={202: BulkJobSerializer, **errors(400, 405, 406, 411, 413, 415, 503, 507)},
    )
    def post(self, request: Request) -> Response:
        given = request.data
        file = uploaded_file(request._request)
        column, keep_texts = _one(given, "text_column"), _keep_texts(_one(given, "keep_texts"))
        name = file.name or ""
        job = submission.submit(
            file,  # type: ignore[arg-type]
            name,
            text_column=_guessed(file, name) if column is None else column,
            keep_texts=keep_texts,
            source=Prediction.Source.API,
        )
        answer = BulkJobSerializer(shown_jobs().get(pk=job.pk)).data
        return Response(
            answer, status=status.HTTP_202_ACCEPTED, headers={"Location": answer["url"]}
        )


class BulkJobView(BulkView):
    @extend_schema(
        operation_id="bulk_read",
        summary="How far a job is; once it has succeeded, what came of it",
        parameters=[JOB_ID],
        responses={200: BulkJobSerializer, **errors(404, 405, 406, 503)},
    )
    def get(self, request: Request, job_id: str) -> Response:
        return Response(BulkJobSerializer(_job(job_id)).data)

    @extend_schema(
        operation_id="bulk_delete",
        summary="Delete the files of a job that is over; its counts stay",
        parameters=[JOB_ID],
        responses={204: None, **errors(404, 405, 406, 409, 503)},
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
        responses={202: BulkJobSerializer, **errors(404, 405, 406, 409, 503)},
    )
    def post(self, request: Request, job_id: str) -> Response:
        job = _job(job_id)
        if not control.cancel(job):
            raise BulkError(
                code="bulk_over",
                rule="Only a job that is not over can be cancelled.",
                value=f"a job that is {_job(job_id).status}",
                remedy="Delete its files instead.",
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
            **errors(404, 405, 409, 410, 503),
        },
    )
    def get(self, request: Request, job_id: str) -> HttpResponseBase:
        return result_response(_job(job_id), request._request)


def _job(job_id: str) -> BulkJob:
    try:
        return shown_jobs().get(pk=UUID(job_id))
    except (ValueError, BulkJob.DoesNotExist):
        raise NotFound(f"no job {job_id[:50]!r}") from None


def _one(given: Any, name: str) -> str | None:
    """The one value of a field; None where it is not there.

    Raises:
        InvalidRequest: there are several, so that none of them is lost.
    """
    values = given.getlist(name) if hasattr(given, "getlist") else []
    if len(values) > 1:
        raise InvalidRequest(
            code=f"{name}_several",
            rule=f"The field {name} may stand in a request once.",
            value=f"{len(values)} times",
            remedy="Send it once.",
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
            rule="keep_texts must be true or false.",
            value=repr(said[:50]),
            remedy="Send true to keep the texts, false or nothing to delete them.",
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
            rule="It must be clear which column holds the texts.",
            value=f"the columns {listed(seen.columns)}",
            remedy="Name it in the field text_column.",
        )
    return seen.text_column
