"""System checks of the classifier's settings; none of them loads the model."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from classifier.artefact import open_artefact
from classifier.engines import DEVICES, KINDS
from classifier.exceptions import ModelNotReady
from classifier.rating_file import CHOICES


@register()
def limits_are_consistent(**kwargs: Any) -> list[CheckMessage]:
    limits = {
        name: getattr(settings, name)
        for name in ("CLASSIFIER_READ_CHARS", "CLASSIFIER_MAX_CHARS", "CLASSIFIER_MAX_TEXTS")
    }
    found: list[CheckMessage] = [
        Error(
            f"{name} must be 1 or more, but it is {value}.",
            hint="Try its default.",
            id="classifier.E001",
        )
        for name, value in limits.items()
        if value < 1
    ]
    if limits["CLASSIFIER_READ_CHARS"] > limits["CLASSIFIER_MAX_CHARS"]:
        found.append(
            Error(
                "CLASSIFIER_READ_CHARS must not exceed CLASSIFIER_MAX_CHARS, but they are "
                f"{limits['CLASSIFIER_READ_CHARS']} and {limits['CLASSIFIER_MAX_CHARS']}.",
                hint="Raise CLASSIFIER_MAX_CHARS.",
                id="classifier.E002",
            )
        )
    return found


@register()
def engine_device_and_rating_are_known(**kwargs: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{name} must be one of {', '.join(known)}, but it is {getattr(settings, name)!r}.",
            hint=f"Try its default, {known[0]}.",
            id="classifier.E004",
        )
        for name, known in (
            ("CLASSIFIER_ENGINE", KINDS),
            ("CLASSIFIER_DEVICE", DEVICES),
            ("CLASSIFIER_RATING", CHOICES),
        )
        if getattr(settings, name) not in known
    ]


@register(deploy=True)
def model_is_there(**kwargs: Any) -> list[CheckMessage]:
    try:
        open_artefact(settings.CLASSIFIER_MODEL, models_dir=settings.MODELS_DIR).positive_index()
    except ModelNotReady as error:
        return [
            Error(f"{error.rule} Found: {error.value}.", hint=error.remedy, id="classifier.E003")
        ]
    return []
