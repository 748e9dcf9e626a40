from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from classifier.exceptions import ModelNotReady
from classifier.forms import ReviewForm
from classifier.models import Prediction
from classifier.services import rate


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
    shown = get_object_or_404(Prediction.objects.select_related("model_version"), pk=prediction_id)
    form = ReviewForm(initial={"text": shown.text})
    return render(request, "classifier/review.html", {"form": form, "prediction": shown})
