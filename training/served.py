"""The model that serves, as what a retraining goes on from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from classifier.artefact import STARTER, open_artefact
from classifier.model_files import metrics_of
from classifier.model_store import FOLDER, active_version, artefact_of, directory_of
from classifier.models import ModelVersion
from classifier.versions.activation import register
from training.config import OF_REPLAY, REVIEWED
from training.runs.sources import is_here

OF_READING = ("max_length", "long_texts")


@dataclass(frozen=True)
class ServedModel:
    """What serves now, and what it learnt first."""

    dataset: str
    """Name of the data set that it was first trained on; "" where that is not known."""
    parameters: dict[str, Any]
    """Of a run that goes on from it: the model, how it reads a text, and what is replayed;
    replay_dataset is empty where no data set of that name lies under DATASETS_DIR."""


def served_model() -> ServedModel:
    """The active version; before the first activation, the model that CLASSIFIER_MODEL names.

    Raises:
        ModelNotReady: there is none.
    """
    version, configured = active_version(), settings.CLASSIFIER_MODEL
    if version is None and not _is_of_the_site(configured):
        # A run takes no path, so the files are kept under a name.
        version = register(configured, source="CLASSIFIER_MODEL")
    if version:
        return _served(f"{FOLDER}/{directory_of(version).name}", version.metrics)
    artefact = open_artefact(configured, models_dir=settings.MODELS_DIR)
    return _served(configured, metrics_of(artefact.directory))


def fetch_kept(base_model: str) -> bool:
    """Have the kept files on this host where `base_model` means those of a version.

    Returns:
        Whether it does.

    Raises:
        ModelNotReady: they are nowhere, or not what they were.
    """
    folder, _, kept = base_model.partition("/")
    name, _, revision = kept.rpartition("-")
    versions = ModelVersion.objects.select_related("archive")
    version = versions.filter(name=name, revision=revision).first() if folder == FOLDER else None
    if version:
        artefact_of(version)
    return version is not None


def _is_of_the_site(model: str) -> bool:
    """Whether it is the starter, or a name under MODELS_DIR."""
    named = Path(model).name == model and (Path(settings.MODELS_DIR) / model).is_dir()
    return model == STARTER or named


def _served(base_model: str, facts: Mapping[str, Any]) -> ServedModel:
    data, model = _part(facts, "config", "data"), _part(facts, "config", "model")
    if data.get("dataset") == REVIEWED:
        data = _part(facts, "provenance", "replay")
    dataset = data.get("dataset", "")
    parameters = {name: model[name] for name in OF_READING if name in model}
    parameters |= {"base_model": base_model, "replay_dataset": ""}
    if is_here(dataset, datasets_dir=settings.DATASETS_DIR):
        parameters |= {name: data[name] for name in OF_REPLAY if name in data}
        parameters["replay_dataset"] = dataset
    return ServedModel(str(dataset), parameters)


def _part(facts: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """A section of a section; empty where a metrics.json of other origin has none."""
    found: Any = facts
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}
