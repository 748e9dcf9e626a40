"""Rating a file in the browser: send it, choose its column, watch, fetch the result."""

from collections.abc import Callable
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from classifier.bulk.errors import TableError
from classifier.bulk.preview import Preview
from classifier.bulk.tables import FORMATS
from classifier.bulk_http import RETRY_SECONDS, ResultNotThere, result_response, status_of
from classifier.bulk_jobs import control, retention, submission
from classifier.bulk_jobs.errors import BulkError
from classifier.bulk_shown import ShownJob, shown_jobs
from classifier.exceptions import ClassifierError
from classifier.forms import BulkForm
from classifier.messages import message
from classifier.models import BulkJob, Prediction, StoredFile
from classifier.uploads import UploadRefused, receive_uploads, uploaded_file
from classifier.views.private import private

POLL_ENDS = 286  # htmx's status for "ask no more"


# The token of a form is read with its file, so whoever takes the file must be there before.
@private
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponseBase:
    """The first step: a file comes, and is looked at at an address of its own."""
    if request.method != "POST":
        return _upload_page(request)
    try:
        receive_uploads(request)
    except UploadRefused as error:
        return _upload_page(request, failure=error)
    return cast(HttpResponseBase, _receive(request))


@csrf_protect
def _receive(request: HttpRequest) -> HttpResponse:
    try:
        given = uploaded_file(request)
        file = submission.receive(given, given.name or "")  # type: ignore[arg-type]
    except (UploadRefused, TableError, BulkError) as error:
        return _upload_page(request, failure=error)
    return redirect("bulk-upload", file.pk)


def _upload_page(
    request: HttpRequest, *, failure: ClassifierError | None = None, status: int | None = None
) -> HttpResponse:
    context = {
        "failure": failure,
        "formats": _("CSV, TSV, JSON Lines or Excel (.xlsx)"),
        "accept": ",".join(FORMATS),
        "max_bytes": settings.BULK_MAX_BYTES,
        **_retention(),
    }
    response = render(request, "classifier/bulk.html", context)
    if failure:
        response.status_code = status or status_of(failure)
    if response.status_code == 503:
        response["Retry-After"] = str(RETRY_SECONDS)
    return response


@private
@require_http_methods(["GET", "HEAD", "POST"])
def choose(request: HttpRequest, file_id: UUID) -> HttpResponse:
    """The second step: which column has the reviews, and whether their texts are kept."""
    if job := BulkJob.objects.filter(upload=file_id).first():
        return redirect(job)  # sent twice, or gone back to
    file = StoredFile.objects.exclude(sha256="").filter(pk=file_id).first()
    if file is None or BulkJob.objects.filter(result=file_id).exists():
        return _upload_page(request, failure=_gone(), status=404)
    try:
        preview = submission.preview_stored(file)
        form = BulkForm(preview, request.POST if request.method == "POST" else None)
        if form.is_valid():
            return redirect(
                submission.submit_stored(
                    file,
                    text_column=form.cleaned_data["text_column"],
                    keep_texts=form.cleaned_data["keep_texts"],
                    source=Prediction.Source.FORM,
                    owner=request.user if request.user.is_authenticated else None,
                )
            )
    except FileNotFoundError:
        return _upload_page(request, failure=_gone(), status=404)
    except (TableError, BulkError) as error:
        return _upload_page(request, failure=error)
    context = {"file": file, "form": form, "table": _shown_table(preview), **_retention()}
    status = 400 if form.is_bound else 200
    return render(request, "classifier/bulk_preview.html", context, status=status)


SHOWN_COLUMNS = 20


def _shown_table(preview: Preview) -> dict[str, Any]:
    """The preview for a page: a table of a thousand columns would be no preview."""
    shown = preview.columns[:SHOWN_COLUMNS]
    return {
        "columns": [(name, name == preview.text_column) for name in shown],
        "rows": [
            (
                list(zip(cells, [name == preview.text_column for name in shown], strict=False)),
                problem,
            )
            for cells, problem in zip(preview.rows, preview.problems, strict=True)
        ],
        "more_columns": len(preview.columns) - len(shown),
    }


def _gone() -> BulkError:
    return BulkError(
        code="upload_gone",
        rule=message("A file that is not rated is kept for a day."),
        value=message("none at this address"),
        remedy=message("Choose the file again."),
    )


@private
@require_safe
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The third step: how far the job is; once it is over, what came of it."""
    return _job_page(request, get_object_or_404(shown_jobs(), pk=job_id))


def _job_page(
    request: HttpRequest, job: BulkJob, *, failure: ClassifierError | None = None
) -> HttpResponse:
    context = _job_context(request, job) | {"failure": failure}
    status = status_of(failure) if failure else 200
    return render(request, "classifier/bulk_job.html", context, status=status)


def _job_context(request: HttpRequest, job: BulkJob) -> dict[str, Any]:
    return {
        "job": job,
        "shown": ShownJob.of(job),
        "predictions": _predictions_address(request, job),
        **_retention(),
    }


def _predictions_address(request: HttpRequest, job: BulkJob) -> str:
    """Where the admin lists what this job has kept; to those who may look."""
    if not (
        job.keep_texts and job.started_at and request.user.has_perm("classifier.view_prediction")
    ):
        return ""
    if not getattr(request.user, "is_staff", False):
        return ""
    chosen = {"source__exact": "bulk", "created_at__gte": job.started_at.isoformat()}
    if job.finished_at:
        chosen["created_at__lte"] = job.finished_at.isoformat()
    return reverse("admin:classifier_prediction_changelist", query=chosen)


@private
@require_safe
def progress(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """The part of the page that changes; once the job is over, all of it, and the last."""
    job = shown_jobs().filter(pk=job_id).first()
    if job is None:
        return HttpResponse(_("This job is gone."), status=POLL_ENDS, content_type="text/plain")
    context = _job_context(request, job) | {"fragment": True, "said": request.GET.get("said", "")}
    response = render(request, "classifier/bulk_progress.html", context)
    if job.is_over:
        response = render(request, "classifier/bulk_end.html", context)
        response["HX-Retarget"] = "#job"
        response["HX-Reswap"] = "innerHTML"
    return response


@private
@require_safe
def result(request: HttpRequest, job_id: UUID) -> HttpResponseBase:
    job = get_object_or_404(shown_jobs(), pk=job_id)
    try:
        return result_response(job, request)
    except ResultNotThere as error:
        return _job_page(request, job, failure=error)


@private
@require_POST
def cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    job = get_object_or_404(BulkJob, pk=job_id)
    control.cancel(job)
    return redirect(job)


@private
@require_POST
def retry(request: HttpRequest, job_id: UUID) -> HttpResponse:
    return _change(request, job_id, control.retry)


@private
@require_POST
def delete(request: HttpRequest, job_id: UUID) -> HttpResponse:
    return _change(request, job_id, retention.purge)


def _change(request: HttpRequest, job_id: UUID, change: Callable[[BulkJob], None]) -> HttpResponse:
    job = get_object_or_404(shown_jobs(), pk=job_id)
    try:
        change(job)
    except BulkError as error:
        return _job_page(request, job, failure=error)
    return redirect(job)


def _retention() -> dict[str, int]:
    return {
        "retention_hours": settings.BULK_RETENTION_HOURS,
        "retention_days": settings.TEXT_RETENTION_DAYS,
    }
