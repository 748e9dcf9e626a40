"""POST /api/predict, as most programs send it, without DRF.

The framework takes longer to import than the model to load, and adds a third to a short request.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, UnreadablePostError

from classifier.api.admission import admission_of, admit
from classifier.api.error_answers import error_answer
from classifier.api.idempotency import Turn, wants_turn
from classifier.api.language import language_of, say_language
from classifier.api.requests import (
    InvalidField,
    RatingRequest,
    rating_request,
    strict_json,
)
from classifier.exceptions import ClassifierError, ExplanationUnavailable
from classifier.explanation.contributions import Contribution
from classifier.explanation.explaining import Explanation, explain, require_method
from classifier.models import Prediction, Scope
from classifier.predictor import holder
from classifier.services import rate
from classifier.task import WrongPair

ANSWERED = (
    *(ClassifierError, InvalidField, RequestDataTooBig, UnreadablePostError),
    *(OperationalError, InterfaceError),
)
"""What is answered here where it goes wrong: `error_answer` says how."""
ALLOW = "POST, OPTIONS"


def answer(asked: RatingRequest, turn: Turn | None = None) -> dict[str, Any]:
    """Rate what was asked for, keep it, and say it as PredictView does.

    Args:
        turn: of a request with an Idempotency-Key; what was made before is said again.

    Raises:
        ModelNotReady: no model can answer.
        InvalidField: the model cannot be asked why in the way that was asked for; or there are
            second texts and it reads none, or the other way round.
    """
    explain = explainer(asked.explain) if asked.explain else None
    predictions = _kept_before(turn) if turn else []
    if not predictions:
        try:
            predictions = rate(
                asked.texts,
                source=Prediction.Source.API,
                kept=(lambda made: turn.keep([str(one.pk) for one in made])) if turn else None,
                pairs=asked.pairs,
            )
        except WrongPair as error:
            raise InvalidField(asked.pair_field, error) from error
    results = [prediction_answer(prediction) for prediction in predictions]
    if explain:
        for result, text, start in zip(results, asked.texts, asked.starts, strict=True):
            result["explanation"] = explain(text, start)
    return {"results": results} if asked.is_list else results[0]


def _kept_before(turn: Turn) -> list[Prediction]:
    """What an earlier request has made, in its order; nothing where some of it was deleted."""
    made = turn.made or []
    found = Prediction.objects.select_related("model_version").in_bulk(made)
    kept = {str(pk): prediction for pk, prediction in found.items()}
    return [kept[pk] for pk in made] if len(kept) == len(made) else []


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
        "probabilities": prediction.label_probabilities,
        "model": str(prediction.model_version),
        "truncated": prediction.truncated,
        "language": prediction.language or None,
        "explanation": None,  # is not kept; `answer` puts it here where it was asked for
    }


def explainer(method: str) -> Callable[[str, int], dict[str, Any]]:
    """What says why a text is rated as it is, given where it begins in what was sent.

    Raises:
        ModelNotReady: no model can answer.
        InvalidField: the model cannot be asked by this method.
    """
    try:
        require_method(method, holder.get())
    except ExplanationUnavailable as error:
        raise InvalidField("explain_method", error) from error
    return lambda text, start: explanation_answer(explain(text, method=method), start)


def explanation_answer(explanation: Explanation, start: int) -> dict[str, Any]:
    """What the API says of an explanation, as ExplanationSerializer describes it.

    Args:
        start: where the text begins in what was sent.
    """
    found = explanation.contributions
    return {
        "method": explanation.method,
        "model": explanation.model,
        "base": explanation.base,
        "sentence_count": found.sentence_count,
        "sentences": [_moved(one, start) for one in found.sentences],
        "words": [_moved(one, start) for one in found.words],
        "words_measured": found.words_measured,
    }


def _moved(part: Contribution, start: int) -> dict[str, Any]:
    return asdict(replace(part, start=part.start + start, end=part.end + start))


def plain_answer(request: HttpRequest) -> HttpResponse | None:
    """What PredictView answers to a request as most programs send it, without the framework.

    None for any other request, and for a body that is no JSON: those are PredictView's to answer.
    A request that is refused costs no more than one that is rated.
    """
    meta = request.META
    if (
        request.method != "POST"
        or meta.get("CONTENT_TYPE") != "application/json"
        or meta.get("HTTP_ACCEPT", "*/*") not in ("*/*", "application/json")
        or "HTTP_CONTENT_ENCODING" in meta
        or wants_turn(request)
    ):
        return None
    try:
        headers = admit(request, Scope.RATE).headers
        asked = rating_request(strict_json(request.body))
    except ANSWERED as error:
        return _refusal(request, error)
    except ValueError:
        return None
    try:
        return _json(answer(asked), headers=headers)
    except ANSWERED as error:
        return _refusal(request, error)


def _refusal(request: HttpRequest, error: Exception) -> HttpResponse:
    """As PredictView answers it.

    Raises:
        Exception: the error itself, where it is one that no program is told.
    """
    refused = error_answer(error)
    if refused is None:
        raise error
    admission = admission_of(request)
    rate = admission.headers if admission else {}
    headers = {"Allow": ALLOW, **(refused.headers or {}), **rate}
    with language_of(request) as language:
        response = _json(refused.content, refused.status, headers)
    say_language(response, language)
    return response


def _json(
    content: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> HttpResponse:
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return HttpResponse(body, content_type="application/json", status=status, headers=headers)
