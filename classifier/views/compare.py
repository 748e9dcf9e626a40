"""Two reviews side by side."""

from time import perf_counter
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from classifier import recents
from classifier.differences import differences
from classifier.exceptions import ModelNotReady, Overloaded
from classifier.forms import CompareForm
from classifier.models import Prediction
from classifier.prediction_shown import ShownComparison, ShownPrediction
from classifier.services import rate
from classifier.task import WrongPair
from classifier.views.private import private
from classifier.views.review import status_of_refusal


@private
@require_http_methods(["GET", "HEAD", "POST"])
def compare(request: HttpRequest) -> HttpResponse:
    """The form of two reviews; both rated, they are shown at an address of their own."""
    if request.method != "POST":
        return _page(request, {"form": CompareForm(initial={"first": _text(request)})})
    form = CompareForm(request.POST)
    if not form.is_valid():
        return _page(request, {"form": form}, status=400)
    started = perf_counter()
    try:
        first, second = rate(
            [form.cleaned_data["first"], form.cleaned_data["second"]],
            source=Prediction.Source.FORM,
        )
    except (ModelNotReady, Overloaded, WrongPair) as error:
        status = status_of_refusal(error)
        return _page(request, {"form": form, "failure": error}, status=status)
    recents.remember(request.session, [first, second], perf_counter() - started)
    return redirect("comparison", first.pk, second.pk)


@private
@require_safe
def comparison(request: HttpRequest, first_id: UUID, second_id: UUID) -> HttpResponse:
    """Two ratings and what is between them."""
    found = Prediction.objects.select_related("model_version").in_bulk([first_id, second_id])
    if not {first_id, second_id} <= found.keys():
        raise Http404
    first, second = found[first_id], found[second_id]
    context = {
        "form": CompareForm(initial={"first": first.text, "second": second.text}),
        "comparison": ShownComparison(ShownPrediction(first), ShownPrediction(second)),
        "differences": differences(first.text, second.text),
        "timing": recents.timing_of(request.session, first),
    }
    return _page(request, context)


def _text(request: HttpRequest) -> str:
    """The text of the prediction that the page was opened from."""
    try:
        chosen = UUID(request.GET.get("first", ""))
    except ValueError:
        return ""
    found = Prediction.objects.filter(pk=chosen).first()
    return found.text if found else ""


def _page(request: HttpRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    context = {"retention_days": settings.TEXT_RETENTION_DAYS, **context}
    return render(request, "classifier/compare.html", context, status=status)
