from typing import Any
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from classifier.exceptions import ModelNotReady
from classifier.forms import FeedbackForm, ReviewForm
from classifier.models import Feedback, Prediction
from classifier.review.feedback import feedback_of, give_feedback
from classifier.services import rate

VISITOR = "visitor"  # in the session


@require_http_methods(["GET", "HEAD", "POST"])
def review(request: HttpRequest) -> HttpResponse:
    """The form; a rated review is shown at its own address, so that a reload rates nothing."""
    if request.method != "POST":
        return render(request, "classifier/review.html", {"form": ReviewForm()})
    form = ReviewForm(request.POST)
    if not form.is_valid():
        return render(request, "classifier/review.html", {"form": form}, status=400)
    try:
        [prediction] = rate([form.cleaned_data["text"]], source=Prediction.Source.FORM)
    except ModelNotReady as error:
        context = {"form": form, "failure": error}
        return render(request, "classifier/review.html", context, status=503)
    return redirect(prediction)


@require_safe
def prediction(request: HttpRequest, prediction_id: UUID) -> HttpResponse:
    """A rated review, with the question whether that is right."""
    shown = get_object_or_404(Prediction.objects.select_related("model_version"), pk=prediction_id)
    return _shown(request, shown)


@require_POST
def feedback(request: HttpRequest, prediction_id: UUID) -> HttpResponse:
    """Keep what a visitor says of an answer; one says one thing of each, the last one counts."""
    shown = get_object_or_404(Prediction.objects.select_related("model_version"), pk=prediction_id)
    form = FeedbackForm(_initial(shown) if "right" in request.POST else request.POST)
    if not form.is_valid():
        return _shown(request, shown, form, status=400)
    visitor = request.session.setdefault(VISITOR, str(uuid4()))
    give_feedback(
        shown, visitor=f"form {visitor}", source=Feedback.Source.FORM, **form.cleaned_data
    )
    return redirect(shown)


def _shown(
    request: HttpRequest,
    shown: Prediction,
    feedback_form: FeedbackForm | None = None,
    status: int = 200,
) -> HttpResponse:
    visitor = request.session.get(VISITOR)
    said = feedback_of(shown, visitor=f"form {visitor}") if visitor else None
    context = {
        "form": ReviewForm(initial={"text": shown.text}),
        "feedback_form": feedback_form or FeedbackForm(initial=_initial(said or shown)),
        "prediction": shown,
        "said": said,
    }
    return render(request, "classifier/review.html", context, status=status)


def _initial(said: Prediction | Feedback) -> dict[str, Any]:
    return {"label": said.label, "rating": said.rating}
