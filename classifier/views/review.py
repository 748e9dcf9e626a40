"""The form and what comes of it: a rating at an address of its own, or a list of them."""

from time import perf_counter
from typing import Any, cast
from uuid import UUID, uuid4

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render, resolve_url
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect, push_url, reswap, retarget

from classifier import recents
from classifier.bulk.errors import TableError
from classifier.bulk.tables import FORMATS
from classifier.bulk_http import status_of
from classifier.bulk_jobs import submission
from classifier.bulk_jobs.errors import BulkError
from classifier.examples import EXAMPLES, example_text
from classifier.exceptions import ClassifierError, InvalidText, ModelNotReady, Overloaded
from classifier.forms import FeedbackForm, ReviewForm
from classifier.labels import POSITIVE
from classifier.messages import message
from classifier.models import Feedback, Prediction
from classifier.prediction_shown import ShownPrediction
from classifier.predictor import holder
from classifier.purging import purge_own_text
from classifier.review.feedback import give_feedback
from classifier.services import rate, served_task
from classifier.small_files import TEXT, as_table, is_text, read_table, read_text, require_known
from classifier.task import WrongPair
from classifier.uploads import UploadRefused, receive_uploads, uploaded_file
from classifier.views.answer import (
    VISITOR,
    answer_context,
    as_said,
    ids_in,
    is_part,
    most_texts,
    ratings_context,
    ratings_url,
)
from classifier.views.explanation import explanation_at_once
from classifier.views.private import private

# Drawn, and no more, where there is no answer yet.
SAMPLE = ShownPrediction(
    Prediction(label=POSITIVE, positive_probability=0.8, rating=8, rating_low=6, rating_high=9)
)


# The token of a form is read with its file, so whoever takes the file must be there before.
@private
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
def review(request: HttpRequest) -> HttpResponseBase:
    """The form; a rated review is shown at its own address, so that a reload rates nothing."""
    if request.method != "POST":
        text = example_text(request.GET.get("example", ""))
        return _page(request, {"form": ReviewForm(task=served_task(), initial={"text": text})})
    try:
        receive_uploads(request)
        return cast(HttpResponseBase, _rate(request))
    except UploadRefused as error:
        return _refused(request, error, {})
    except RequestDataTooBig:
        return _refused(request, _too_much(), {})


@csrf_protect
def _rate(request: HttpRequest) -> HttpResponse:
    given = request.POST.dict()
    try:
        if file := _given_file(request):
            name, size = str(file.name), int(file.size or 0)
            require_known(name)
            if not is_text(name):
                texts = read_table(file, name, size, most=most_texts())  # type: ignore[arg-type]
                if texts is None:
                    return _rate_as_file(request, file, name)
                return _answered(request, texts)
            given["text"] = read_text(file, size)  # type: ignore[arg-type]
        form = ReviewForm(given, most=most_texts(), task=served_task())
        if not form.is_valid():
            return _form_again(request, {"form": form}, status=400)
        texts = form.cleaned_data["texts"]
        if len(texts) > most_texts():
            return _rate_as_file(request, as_table(texts), _("reviews") + ".csv")
        return _answered(request, texts, form.cleaned_data["pairs"])
    except (UploadRefused, TableError, BulkError, ModelNotReady, Overloaded, WrongPair) as error:
        return _refused(request, error, given)


def _given_file(request: HttpRequest) -> UploadedFile | None:
    try:
        return uploaded_file(request)
    except UploadRefused as error:
        if error.code == "file_missing":
            return None
        raise


def _rate_as_file(request: HttpRequest, stream: Any, name: str) -> HttpResponse:
    if predictor := holder.loaded:
        predictor.require_single_texts()
    stream.seek(0)  # it has been looked at
    stored = submission.receive(stream, name)
    if is_part(request):
        return HttpResponseClientRedirect(resolve_url("bulk-upload", stored.pk))
    return redirect("bulk-upload", stored.pk)


def _answered(
    request: HttpRequest, texts: list[str], pairs: list[str] | None = None
) -> HttpResponse:
    started = perf_counter()
    predictions = rate(texts, source=Prediction.Source.FORM, pairs=pairs)
    recents.remember(request.session, predictions, perf_counter() - started)
    alone = len(predictions) == 1
    url = predictions[0].get_absolute_url() if alone else ratings_url(predictions)
    if not is_part(request):
        return redirect(url)
    context = (
        answer_context(request, predictions[0]) if alone else ratings_context(request, predictions)
    )
    return push_url(render(request, "classifier/answered.html", context), url)


def _refused(request: HttpRequest, error: ClassifierError, given: dict[str, Any]) -> HttpResponse:
    """The form as it was, with what is wrong beside it."""
    status = status_of_refusal(error)
    form = ReviewForm(task=served_task(), initial=given)
    return _form_again(request, {"form": form, "failure": error}, status=status)


def status_of_refusal(error: ClassifierError) -> int:
    match error:
        case ModelNotReady():
            return 503
        case Overloaded():
            return 429
        case WrongPair():
            return 400
    return status_of(error)


def _form_again(request: HttpRequest, context: dict[str, Any], *, status: int) -> HttpResponse:
    if not is_part(request):
        return _page(request, context, status=status)
    part = render(request, "classifier/ask.html", _form_context() | context, status=status)
    return reswap(retarget(part, "#ask"), "outerHTML")


def _too_much() -> InvalidText:
    return InvalidText(
        code="form_too_large",
        rule=message(
            "What is typed or pasted may have {size} at most.",
            size=filesizeformat(settings.DATA_UPLOAD_MAX_MEMORY_SIZE),
        ),
        value=message("more"),
        remedy=message("Choose a file instead."),
    )


def _form_context() -> dict[str, Any]:
    return {
        "accept": ",".join([TEXT, *FORMATS]),
        "examples": EXAMPLES,
        "max_chars": settings.CLASSIFIER_MAX_CHARS,
        "most_texts": most_texts(),
        "retention_days": settings.TEXT_RETENTION_DAYS,
        "sample": SAMPLE,
        "task": served_task(),
    }


def _page(request: HttpRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    context = _form_context() | context
    if "recent" not in context:  # what shows a rating has asked for them already
        context["recent"] = recents.recent_predictions(request.session)
    return render(request, "classifier/review.html", context, status=status)


@private
@require_safe
def prediction(request: HttpRequest, prediction_id: UUID) -> HttpResponse:
    """A rated review, why it is rated so, and the question whether that is right."""
    found = _found(prediction_id)
    return _shown(request, found, why=explanation_at_once(found))


@private
@require_safe
def ratings(request: HttpRequest) -> HttpResponse:
    """Reviews that were rated together, in their order."""
    ids = ids_in(request.GET.get("of", ""))
    found = Prediction.objects.select_related("model_version").in_bulk(ids)
    shown = [found[id_] for id_ in ids if id_ in found]
    if not shown:
        raise Http404
    form = ReviewForm(task=served_task(), initial={"lines": True})
    context = {"form": form, "lost": len(ids) - len(shown)}
    return _page(request, context | ratings_context(request, shown))


@private
@require_POST
def feedback(request: HttpRequest, prediction_id: UUID) -> HttpResponse:
    """Keep what a visitor says of an answer; one says one thing of each, the last one counts."""
    shown = _found(prediction_id)
    said = as_said(shown) if "right" in request.POST else request.POST
    form = FeedbackForm(said, task=shown.model_version.task)
    if not form.is_valid():
        return _shown(request, shown, form, status=400)
    visitor = request.session.setdefault(VISITOR, str(uuid4()))
    give_feedback(
        shown, visitor=f"form {visitor}", source=Feedback.Source.FORM, **form.cleaned_data
    )
    return redirect(shown)


@private
@require_POST
def delete_text(request: HttpRequest, prediction_id: UUID) -> HttpResponse:
    """Delete the text of a rating for whoever had it rated; the rating itself stays."""
    found = _found(prediction_id)
    if not recents.is_own(request.session, found):
        raise PermissionDenied(
            _(
                "Only the browser that sent a review can delete it, and only while it lists the "
                "review under “Rated lately”. Ask whoever runs the site to delete it."
            )
        )
    purge_own_text(found)
    return redirect(found)


@require_POST
def forget(request: HttpRequest) -> HttpResponse:
    """Forget what this visitor has had rated; the ratings stay where they are."""
    recents.forget(request.session)
    return redirect("review")


@private
@csrf_exempt  # changes nothing
@require_POST
def tokens(request: HttpRequest) -> HttpResponse:
    """How many tokens the model reads of the body, which is not kept; 204 while none is loaded."""
    if (predictor := holder.loaded) is None:
        return HttpResponse(status=204)
    text = request.body.decode("utf-8", errors="replace")
    read = text[: settings.CLASSIFIER_READ_CHARS]
    return JsonResponse({"tokens": predictor.count_tokens(read)})


def _found(prediction_id: UUID) -> Prediction:
    found: Prediction = get_object_or_404(
        Prediction.objects.select_related("model_version"), pk=prediction_id
    )
    return found


def _shown(
    request: HttpRequest,
    shown: Prediction,
    feedback_form: FeedbackForm | None = None,
    status: int = 200,
    why: dict[str, Any] | None = None,
) -> HttpResponse:
    context = {
        "why": why,
        "form": ReviewForm(
            task=served_task(), initial={"text": shown.text, "text_pair": shown.text_pair}
        ),
        **answer_context(request, shown, feedback_form),
    }
    return _page(request, context, status=status)
