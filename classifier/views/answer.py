"""What pages say of predictions that are shown: of one, and of several together."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from classifier import recents
from classifier.api.predict import prediction_answer
from classifier.code_samples import code_samples
from classifier.forms import FeedbackForm
from classifier.models import Feedback, Prediction
from classifier.prediction_shown import ShownPrediction, ShownRatings, as_json
from classifier.review.feedback import feedback_of

VISITOR = "visitor"  # in the session
LISTED = 100  # predictions at most in an address, which servers cut at 4,000 characters


def most_texts() -> int:
    """How many reviews the form rates at once; more are rated as a file."""
    return int(min(settings.CLASSIFIER_MAX_TEXTS, LISTED))


def is_part(request: HttpRequest) -> bool:
    """Whether a page asks for what shall change on it, and not for a whole one."""
    return "HX-Request" in request.headers


def answer_context(
    request: HttpRequest, prediction: Prediction, feedback_form: FeedbackForm | None = None
) -> dict[str, Any]:
    """For classifier/result.html."""
    visitor = request.session.get(VISITOR)
    said = feedback_of(prediction, visitor=f"form {visitor}") if visitor else None
    return {
        "prediction": prediction,
        "shown": ShownPrediction(prediction),
        "said": said,
        "feedback_form": feedback_form
        or FeedbackForm(task=prediction.model_version.task, initial=as_said(said or prediction)),
        "own": recents.is_own(request.session, prediction),
        "timing": recents.timing_of(request.session, prediction),
        "share": request.build_absolute_uri(prediction.get_absolute_url()),
        "json": as_json(prediction_answer(prediction)),
        "samples": code_samples(
            request.build_absolute_uri(reverse("api-predict")),
            prediction.text,
            prediction.text_pair,
        ),
        "recent": recents.recent_predictions(request.session),
    }


def as_said(said: Prediction | Feedback) -> dict[str, Any]:
    """Label and rating, for the form that asks whether they are right."""
    return {"label": said.label, "rating": said.rating}


def ratings_context(request: HttpRequest, predictions: Sequence[Prediction]) -> dict[str, Any]:
    """For classifier/ratings.html."""
    return {
        "ratings": ShownRatings([ShownPrediction(prediction) for prediction in predictions]),
        "timing": recents.timing_of(request.session, predictions[0]),
        "share": request.build_absolute_uri(ratings_url(predictions)),
        "json": as_json({"results": [prediction_answer(one) for one in predictions]}),
        "recent": recents.recent_predictions(request.session),
    }


def ratings_url(predictions: Sequence[Prediction]) -> str:
    """The address of a list of predictions, all in it, in their order."""
    return reverse("ratings", query={"of": ".".join(_short(one.pk) for one in predictions)})


def ids_in(query: str) -> list[UUID]:
    """The ids that `ratings_url` has written; none where it has not.

    At most LISTED: what is longer was not written here.
    """
    try:
        return [_id(short) for short in query.split(".")[:LISTED]]
    except (ValueError, binascii.Error):
        return []


def _short(id_: UUID) -> str:
    return base64.urlsafe_b64encode(id_.bytes).rstrip(b"=").decode()


def _id(short: str) -> UUID:
    return UUID(bytes=base64.b64decode(f"{short}==", altchars=b"-_", validate=True))
