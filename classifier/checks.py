"""System checks of the classifier's settings; none of them loads the model."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning, register

from classifier.artefact import open_artefact
from classifier.engines import DEVICES, KINDS
from classifier.exceptions import ModelNotReady
from classifier.models.api_keys import KEY_CHOICES
from classifier.rating_file import CHOICES
from classifier.text_language import is_available
from reviewsite.commands import CONFIGURATION


@register(CONFIGURATION)
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


@register(CONFIGURATION)
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


@register(CONFIGURATION)
def access_is_clear(**kwargs: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.API_KEYS not in KEY_CHOICES:
        found.append(
            Error(
                f"API_KEYS must be {' or '.join(KEY_CHOICES)}, but it is {settings.API_KEYS!r}.",
                hint="Try its default, optional.",
                id="classifier.E005",
            )
        )
    found += [
        Error(
            f"{name} must be 0 or more, but it is {getattr(settings, name)}.",
            hint="0 is for none.",
            id="classifier.E006",
        )
        for name in ("RATE_LIMIT", "NUM_PROXIES", "TRAINING_RATE_LIMIT")
        if getattr(settings, name) < 0
    ]
    return found


@register(deploy=True)
def translations_are_compiled(**kwargs: Any) -> list[CheckMessage]:
    from reviewsite.catalogue import LANGUAGES, is_compiled  # what it needs, no request does

    if all(map(is_compiled, LANGUAGES)):
        return []
    return [
        Warning(
            "The catalogues of translations must be compiled, but they are not as they are now.",
            hint="Run: python manage.py compilemessages",
            id="classifier.W005",
        )
    ]


@register(deploy=True)
def languages_are_detected(**kwargs: Any) -> list[CheckMessage]:
    if is_available():
        return []
    return [
        Info(
            "The package pycld2 says in which language a text is, but it is not there: the "
            "language of every text is unknown.",
            hint="It has no wheel for this kind of machine; with a C++ compiler: pip install "
            "pycld2",
            id="classifier.I006",
        )
    ]


@register(deploy=True)
def model_is_there(**kwargs: Any) -> list[CheckMessage]:
    try:
        open_artefact(settings.CLASSIFIER_MODEL, models_dir=settings.MODELS_DIR)
    except ModelNotReady as error:
        return [
            Error(f"{error.rule} Found: {error.value}.", hint=error.remedy, id="classifier.E003")
        ]
    return []
