"""Rows that tests need; every value can be set."""

import itertools
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection

from classifier.models import ModelVersion, Prediction, Verdict, VersionAnswer, text_digest
from classifier.review.split import split_of


def make_prediction(text: str = "A warm film.", **values: Any) -> Prediction:
    version, _ = ModelVersion.objects.get_or_create(name="tiny", revision="0123456789ab")
    defaults = {
        "text": text,
        "text_sha256": text_digest(text),
        "label": "POSITIVE",
        "score": 0.9,
        "positive_probability": 0.9,
        "rating": 9,
        "truncated": False,
        "windows": 1,
        "source": Prediction.Source.API,
        "model_version": version,
    }
    return Prediction.objects.create(**(defaults | values))


def make_verdict(prediction: Prediction, **values: Any) -> Verdict:
    defaults = {"label": prediction.label, "rating": prediction.rating}
    return Verdict.objects.create(prediction=prediction, **(defaults | values))


def reviewers() -> Group:
    """The group that a migration makes; a test that empties the database has lost it."""
    migration = import_module("classifier.migrations.0004_reviewers")
    migration.create_reviewers(apps, SimpleNamespace(connection=connection))
    return Group.objects.get(name=migration.REVIEWERS)


def make_version(name: str, **values: Any) -> ModelVersion:
    defaults = {"revision": "0123456789ab", "status": ModelVersion.Status.CANDIDATE}
    return ModelVersion.objects.create(name=name, **(defaults | values))


def make_answer(version: ModelVersion, prediction: Prediction, **values: Any) -> VersionAnswer:
    """What another version says of a prediction; unless told otherwise, the same."""
    defaults = {
        "label": prediction.label,
        "positive_probability": prediction.positive_probability,
        "rating": prediction.rating,
        "shadow": False,
    }
    return VersionAnswer.objects.create(
        version=version, prediction=prediction, **(defaults | values)
    )


def texts_of_split(split: str, count: int) -> list[str]:
    """Reviews whose digests put them into "train" or "test"."""
    numbered = (f"a good film , number {number}" for number in itertools.count())
    return list(itertools.islice((t for t in numbered if split_of(text_digest(t)) == split), count))
