"""Why a review got its rating: a part of its page, or without htmx a page of its own."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from classifier.exceptions import ExplanationUnavailable, ModelNotReady
from classifier.explanation.explaining import explain
from classifier.explanation.marks import marked
from classifier.models import Prediction
from classifier.prediction_shown import ShownPrediction

AT_ONCE_CHARS = 2000


@never_cache
@require_safe
def explanation(request: HttpRequest, prediction_id: UUID) -> HttpResponse:
    """What the sentences and words of a rated review add; 503 where no model can answer."""
    prediction = get_object_or_404(
        Prediction.objects.select_related("model_version"), pk=prediction_id
    )
    try:
        context, status = explanation_context(prediction), 200
    except ModelNotReady as error:
        context, status = {"prediction": prediction, "failure": error}, 503
    except ExplanationUnavailable as error:
        context, status = {"prediction": prediction, "failure": error}, 400
    template = "explanation" if getattr(request, "htmx", False) else "explanation_page"
    response = render(request, f"classifier/{template}.html", context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def explanation_at_once(prediction: Prediction) -> dict[str, Any] | None:
    """What classifier/explanation.html shows, where that holds up a page for a moment only.

    None of a longer review, and where it cannot be told: the page then asks for it afterwards, so
    that nothing moves on it before somebody reads it.
    """
    if not ShownPrediction(prediction).explained or not 0 < len(prediction.text) <= AT_ONCE_CHARS:
        return None
    try:
        return explanation_context(prediction)
    except (ModelNotReady, ExplanationUnavailable):
        return None


def explanation_context(prediction: Prediction) -> dict[str, Any]:
    """What classifier/explanation.html shows of a prediction; of a purged text nothing is left.

    Raises:
        ModelNotReady: no model can answer.
        ExplanationUnavailable: the model that is served now has no rating to explain.
    """
    if not prediction.text:
        return {"prediction": prediction}
    found = explain(prediction.text)
    return {
        "prediction": prediction,
        "explanation": found,
        "marked": marked(prediction.text, found),
        "other_model": found.model != str(prediction.model_version),
        "read_chars": settings.CLASSIFIER_READ_CHARS,
    }
