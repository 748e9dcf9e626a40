"""Rows that tests need; every value can be set."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Group
from django.db import connection

from classifier.models import ModelVersion, Prediction, Verdict, text_digest


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
