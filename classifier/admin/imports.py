"""The pages where a labelled file becomes verdicts: it comes, is looked at, and is imported."""

from typing import Any, BinaryIO, cast
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from classifier.admin.base import SiteAdmin
from classifier.admin.review import require_reviewer
from classifier.bulk.errors import TableError
from classifier.exceptions import ClassifierError, ModelNotReady
from classifier.files import delete_stored, open_stored
from classifier.models import StoredFile
from classifier.review.importing import FORMATS, Columns, Preview, import_verdicts, preview_import
from classifier.review.importing.uploads import columns_of, keep_upload
from classifier.uploads import UploadRefused, receive_uploads, uploaded_file

SENT = "labelled_files"  # in the session: the files that wait for a word
MOST_ROWS = 20_000  # in one request; more are for the command
MOST_UNKNOWN = 1000  # texts that the model reads first
LIST = "admin:classifier_prediction_changelist"
UPLOAD, LOOK = "admin:classifier_prediction_import", "admin:classifier_prediction_import_file"


class ColumnsForm(forms.Form):
    """Which columns of a file have what; columns are sent by their place, as in BulkForm."""

    text = forms.TypedChoiceField(label=_("Texts"), coerce=int, empty_value=None, required=False)
    label = forms.TypedChoiceField(label=_("Labels"), coerce=int, empty_value=None, required=False)
    rating = forms.TypedChoiceField(
        label=_("Ratings"), coerce=int, empty_value=None, required=False
    )

    def __init__(self, names: tuple[str, ...], likely: Columns, data: Any = None) -> None:
        places = {name: place for place, name in enumerate(names)}
        guessed = {field: places.get(getattr(likely, field), "") for field in self.base_fields}
        super().__init__(data if data and set(data) & set(self.base_fields) else guessed)
        self._names = names
        for field in self.fields.values():
            field.choices = [("", gettext("none")), *enumerate(name[:80] for name in names)]  # type: ignore[attr-defined]

    @property
    def columns(self) -> Columns:
        """What is chosen; what is none of the columns is none."""
        self.is_valid()
        chosen = {field: self.cleaned_data.get(field) for field in self.fields}
        return Columns(
            **{
                field: "" if place is None else self._names[place]
                for field, place in chosen.items()
            }
        )


class ImportPages(SiteAdmin):
    """Importing verdicts, beside the list of predictions."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("import/", view(self.import_view), name="classifier_prediction_import"),
            path(
                "import/<uuid:pk>/",
                view(self.import_file_view),
                name="classifier_prediction_import_file",
            ),
            *super().get_urls(),
        ]

    # The token of a form is read with its file, so whoever takes the file must be there before.
    @method_decorator([never_cache, csrf_exempt])
    def import_view(self, request: HttpRequest) -> HttpResponseBase:
        """A file comes, and is looked at at an address of its own."""
        require_reviewer(request)
        if request.method != "POST":
            return self._upload_page(request)
        try:
            receive_uploads(request)
        except UploadRefused as error:
            return self._upload_page(request, error)
        return cast(HttpResponseBase, csrf_protect(self._receive)(request))

    @method_decorator([never_cache, csrf_protect])
    def import_file_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show what importing the file would do; do it when it is sent."""
        require_reviewer(request)
        sent = request.session.get(SENT, [])
        file = StoredFile.objects.exclude(sha256="").filter(pk=pk).first()
        if file is None or str(pk) not in sent:
            return self._gone(request)
        try:
            names, likely = columns_of(file)
            if request.method == "POST":
                return self._import(request, file, ColumnsForm(names, likely, request.POST))
            return self._look_page(request, file, ColumnsForm(names, likely, request.GET))
        except FileNotFoundError:
            return self._gone(request)
        except TableError as error:
            return self._upload_page(request, error)

    def _receive(self, request: HttpRequest) -> HttpResponse:
        try:
            given = uploaded_file(request)
            file = keep_upload(given, given.name or "")  # type: ignore[arg-type]
        except (UploadRefused, TableError) as error:
            return self._upload_page(request, error)
        request.session[SENT] = [*request.session.get(SENT, []), str(file.pk)][-20:]
        return redirect(LOOK, file.pk)

    def _import(self, request: HttpRequest, file: StoredFile, form: ColumnsForm) -> HttpResponse:
        try:
            with open_stored(file) as stream:
                _preview(stream, file, form)  # the bounds are those of what is sent, too
                done = import_verdicts(
                    stream,
                    filename=file.name,
                    columns=form.columns,
                    reviewer=request.user,
                    keep_reviewers=_keeps_reviewers(request),
                    at_once=True,
                )
        except (TableError, ModelNotReady) as error:
            return self._look_page(request, file, form, error)
        request.session[SENT] = [key for key in request.session[SENT] if key != str(file.pk)]
        delete_stored(file)
        self.message_user(request, f"{file.name}: {done.summary}")
        return redirect(LIST)

    def _look_page(
        self,
        request: HttpRequest,
        file: StoredFile,
        form: ColumnsForm,
        failure: ClassifierError | None = None,
    ) -> TemplateResponse:
        preview = None
        try:
            with open_stored(file) as stream:
                preview = _preview(stream, file, form)
        except TableError as error:
            failure = failure or error
        context = self._context(
            request, gettext("Import {file}").format(file=file.name), failure
        ) | {
            "file": file,
            "form": form,
            "preview": preview,
            "keeps_reviewers": _keeps_reviewers(request),
        }
        name = "admin/classifier/prediction/import_file.html"
        return TemplateResponse(request, name, context, status=_status(failure))

    def _upload_page(
        self, request: HttpRequest, failure: ClassifierError | None = None
    ) -> TemplateResponse:
        context = self._context(request, gettext("Import verdicts"), failure) | {
            "formats": FORMATS,
            "max_bytes": settings.BULK_MAX_BYTES,
            "most_rows": MOST_ROWS,
        }
        name = "admin/classifier/prediction/import.html"
        return TemplateResponse(request, name, context, status=_status(failure))

    def _gone(self, request: HttpRequest) -> HttpResponse:
        self.message_user(
            request,
            gettext("This file has been imported or deleted. Send it again."),
            messages.WARNING,
        )
        return redirect(UPLOAD)

    def _context(
        self, request: HttpRequest, title: str, failure: ClassifierError | None
    ) -> dict[str, Any]:
        return {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "failure": failure,
        }


def _preview(stream: BinaryIO, file: StoredFile, form: ColumnsForm) -> Preview:
    return preview_import(
        stream,
        filename=file.name,
        columns=form.columns,
        most_rows=MOST_ROWS,
        most_unknown=MOST_UNKNOWN,
    )


def _status(failure: ClassifierError | None) -> int:
    if isinstance(failure, UploadRefused):
        return failure.status
    return 503 if isinstance(failure, ModelNotReady) else 400 if failure else 200


def _keeps_reviewers(request: HttpRequest) -> bool:
    """Whoever may not see the accounts shall neither speak in their names nor guess at them."""
    return request.user.has_perm("auth.view_user")
