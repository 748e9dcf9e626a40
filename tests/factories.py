"""Rows that tests need; every value can be set."""

from typing import Any

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
