"""POST /api/predict, as most programs send it, without DRF.

The framework takes longer to import than the model to load, and adds a third to a short request.
"""

import json
from typing import Any, cast

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError

from classifier.api.requests import (
    InvalidField,
    InvalidRequest,
    RatingRequest,
    rating_request,
    strict_json,
)
from classifier.exceptions import ModelNotReady
from classifier.models import Prediction
from classifier.services import rate


def answer(asked: RatingRequest) -> dict[str, Any]:
    """Rate what was asked for, keep it, and say it as PredictView does."""
    predictions = rate(asked.texts, source=Prediction.Source.API)
    results = [prediction_answer(prediction) for prediction in predictions]
    return {"results": results} if asked.is_list else results[0]


def prediction_answer(prediction: Prediction) -> dict[str, Any]:
    """What the API says of a prediction, as PredictionSerializer describes it."""
    interval = prediction.rating_interval
    return {
        "id": str(prediction.pk),
        "label": prediction.label,
        "score": prediction.score,
        "positive_probability": prediction.positive_probability,
        "rating": prediction.rating,
        "rating_interval": list(interval) if interval else None,
        "model": str(prediction.model_version),
        "truncated": prediction.truncated,
    }


def plain_answer(request: HttpRequest) -> HttpResponse | None:
    """What PredictView answers to a request as most programs send it, without the framework.

    None for any other request, and for one that is refused: those are PredictView's to answer.
    """
    if (
        request.method != "POST"
        or request.META.get("CONTENT_TYPE") != "application/json"
        or request.META.get("HTTP_ACCEPT", "*/*") not in ("*/*", "application/json")
    ):
        return None
    try:
        asked = rating_request(strict_json(request.body))
    except UnreadablePostError as error:
        return _refusal(error)  # the body cannot be asked for twice
    except (ValueError, RecursionError, SuspiciousOperation, InvalidRequest, InvalidField):
        return None
    try:
        return _json(answer(asked))
    except (ModelNotReady, OperationalError, InterfaceError) as error:
        return _refusal(error)


def _refusal(error: Exception) -> HttpResponse:
    from classifier.api.errors import exception_handler  # knows DRF

    refused = cast(Any, exception_handler(error, {}))
    response = _json(refused.data, refused.status_code)
    if "Retry-After" in refused:
        response["Retry-After"] = refused["Retry-After"]
    return response


def _json(content: Any, status: int = 200) -> HttpResponse:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(body, content_type="application/json", status=status)
