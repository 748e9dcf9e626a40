"""What a supervisor or a load balancer asks: is the process alive, can it answer?"""

from django.db import Error, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from classifier.predictor import holder
from reviewsite.ending import ending


@require_safe
@never_cache
def livez(request: HttpRequest) -> JsonResponse:
    """The process answers; touches neither model nor database."""
    return JsonResponse({"alive": True})


@require_safe
@never_cache
def startupz(request: HttpRequest) -> JsonResponse:
    """A model has been loaded: the start is over. Else 503 and why; touches no database.

    A process that has started stays so: one whose database is away, or that ends, is not ready,
    and to start it anew would not help.
    """
    reasons = _reasons_of_model()
    body: dict[str, object] = {"started": not reasons}
    if reasons:
        body["reasons"] = reasons
    return JsonResponse(body, status=503 if reasons else 200)


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """The model is loaded and warm, the database answers, and the process was not told to end.

    Else 503 and why. Loads nothing.
    """
    reasons = _reasons_of_model()
    predictor = holder.loaded
    if ending.told:
        reasons.append("The process was told to end: it answers who is there, and then goes.")
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


def _reasons_of_model() -> list[str]:
    if holder.loaded is not None:
        return []
    return [str(holder.failure) if holder.failure else "The model is not loaded yet."]
