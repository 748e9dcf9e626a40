"""The model that a page is about, and where its card and metrics.json are found."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from classifier.artefact import open_artefact
from classifier.model_files import metrics_of
from classifier.model_store import active_version
from classifier.models import ModelVersion
from classifier.predictor import holder

CARD = "README.md"


@dataclass(frozen=True)
class ModelFacts:
    name: str
    revision: str
    """Empty where nothing has been loaded yet."""
    card: str
    """Markdown; empty where there is none."""
    metrics: dict[str, Any]
    """Of metrics.json; empty where there is none."""
    version: ModelVersion | None
    serves: bool


def facts_in_service() -> ModelFacts:
    """Of the model that answers; before it is loaded, of the one that will.

    Raises:
        ModelNotReady: there is no such model.
    """
    if version := active_version():
        return facts_of(version)
    serving = holder.loaded
    if serving is None:
        artefact = open_artefact(settings.CLASSIFIER_MODEL, models_dir=settings.MODELS_DIR)
        return _of_directory(artefact.directory, artefact.name, "", None)
    version = ModelVersion.objects.filter(name=serving.name, revision=serving.revision).first()
    return _of_directory(serving.artefact.directory, serving.name, serving.revision, version)


def facts_of(version: ModelVersion) -> ModelFacts:
    """Of a version: what was kept with it, or lies in the directory of the model that answers."""
    serving = holder.loaded
    serves = serving is not None and (serving.name, serving.revision) == (
        version.name,
        version.revision,
    )
    if serving and serves and not version.card and not version.metrics:
        return _of_directory(serving.artefact.directory, version.name, version.revision, version)
    return ModelFacts(
        name=version.name,
        revision=version.revision,
        card=version.card,
        metrics=version.metrics if isinstance(version.metrics, dict) else {},
        version=version,
        serves=serves or version.status == ModelVersion.Status.ACTIVE,
    )


def _of_directory(
    directory: Path, name: str, revision: str, version: ModelVersion | None
) -> ModelFacts:
    card = directory / CARD
    return ModelFacts(
        name=name,
        revision=revision,
        card=card.read_text(encoding="utf-8", errors="replace") if card.is_file() else "",
        metrics=metrics_of(directory),
        version=version,
        serves=True,
    )
