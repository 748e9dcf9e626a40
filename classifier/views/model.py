"""The page of a model for visitors: what it is, how good it is, and what it is bad at."""

from typing import Any

from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from classifier.exceptions import ModelNotReady
from classifier.model_page.card import read_card
from classifier.model_page.facts import ModelFacts, facts_in_service, facts_of
from classifier.model_page.measures import (
    class_rows,
    figure,
    measure_rows,
    strengths,
    weaknesses,
    word,
)
from classifier.model_page.pictures import pictures_of
from classifier.models import ModelVersion

MOST_VERSIONS = 30
LARGEST_ID = 2**63 - 1


@require_safe
def model(request: HttpRequest, version_id: int | None = None) -> HttpResponse:
    """The model that answers, or a version of it by its id; candidates are shown to staff alone."""
    if asked := request.GET.get("version"):
        if not asked.isascii() or not asked.isdigit() or int(asked) > LARGEST_ID:
            raise Http404("A version is asked for by its number.")
        return redirect("model-version", int(asked))
    versions = _visible(request)
    try:
        facts = (
            facts_in_service()
            if version_id is None
            else facts_of(get_object_or_404(versions, pk=min(version_id, LARGEST_ID)))
        )
    except ModelNotReady as error:
        return render(request, "classifier/model.html", {"failure": error}, status=503)
    return render(request, "classifier/model.html", _shown(facts) | {"versions": _list(versions)})


def _visible(request: HttpRequest) -> Any:
    versions = ModelVersion.objects.all()
    if request.user.has_perm("classifier.view_modelversion"):
        return versions
    return versions.filter(~Q(status=ModelVersion.Status.CANDIDATE))


def _list(versions: Any) -> list[ModelVersion]:
    newest_first = versions.order_by("-created_at").defer("card", "metrics", "golden")
    return list(newest_first[:MOST_VERSIONS])


def _shown(facts: ModelFacts) -> dict[str, Any]:
    card = read_card(facts.card)
    metrics = facts.metrics
    return {
        "facts": facts,
        "card": card,
        "licence": card.licence or word(metrics, "base_licence"),
        "strengths": strengths(metrics),
        "weaknesses": weaknesses(metrics),
        "measures": measure_rows(metrics),
        "classes": class_rows(metrics),
        "pictures": pictures_of(metrics),
        "base_model": word(metrics, "base_model") or card.text_of("base_model"),
        "base_revision": word(metrics, "base_revision"),
        "dataset": word(metrics, "config", "data", "dataset") or card.text_of("datasets"),
        "also_trained": word(metrics, "config", "data", "also_train"),
        "rows": _rows(metrics),
        "rating_map": word(metrics, "calibration", "map"),
    }


def _rows(metrics: dict[str, Any]) -> list[tuple[str, str]]:
    rows = metrics.get("rows")
    known = rows if isinstance(rows, dict) else {}
    return [
        (split, figure(known[split]))
        for split in ("train", "validation", "test")
        if isinstance(known.get(split), int)
    ]
