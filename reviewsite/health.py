"""What a supervisor or a load balancer asks: is the process alive, can it answer?"""

from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from classifier.predictor import holder


@require_safe
@never_cache
def livez(request: HttpRequest) -> JsonResponse:
    """The process answers; touches neither model nor database."""
    return JsonResponse({"alive": True})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """The model is loaded and warm, and the database answers; else 503 and why. Loads nothing."""
    reasons = []
    predictor = holder.loaded
    if predictor is None:
        failure = holder.failure
        reasons.append(str(failure) if failure else "The model is not loaded yet.")
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        reasons.append(f"The database must answer, but: {type(error).__name__}.")
    body: dict[str, object] = {"ready": not reasons}
    if reasons:
        body["reasons"] = reasons
    if predictor:
        body["model"] = f"{predictor.name}@{predictor.revision}"
    return JsonResponse(body, status=503 if reasons else 200)
