"""A project's tasks: the review in each, and its rating."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from classifier.api.error_answers import error_detail
from classifier.api.label_studio.label_config import LabelConfig
from classifier.api.label_studio.regions import regions_of
from classifier.exceptions import InvalidText
from classifier.messages import message
from classifier.models import Prediction
from classifier.predictor import holder
from classifier.services import rate, review_text


def review_in(task: object, config: LabelConfig) -> str:
    """The review that a task shows, cleaned.

    Raises:
        InvalidText: there is none, or it cannot be rated.
    """
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict) or config.key not in data:
        raise InvalidText(
            code="task_text_missing",
            rule=message(
                "A task's data has its review under {key}, as the Text tag says.",
                key=repr(config.key),
            ),
            value=message("the keys {names}", names=repr(list(data))[:200])
            if isinstance(data, dict)
            else message("no data"),
            remedy=message("Name that key in the Text tag's value, or import the task again."),
        )
    return review_text(data[config.key])


def pre_annotations(tasks: Sequence[object], config: LabelConfig) -> dict[str, Any]:
    """What /predict answers: a result for each task, in their order.

    A task that cannot be rated has an empty result, no score and an error. Label Studio sends all
    the tasks that somebody has selected in one request and takes a refusal for no predictions, so
    there is no limit to them but the body's; they are rated as many at a time as the API takes.

    Raises:
        ModelNotReady: no model can answer.
    """
    version = model_version()
    results: list[dict[str, Any]] = [{}] * len(tasks)
    reviews = {}
    for index, task in enumerate(tasks):
        try:
            reviews[index] = review_in(task, config)
        except InvalidText as error:
            detail = error_detail(error, field=f"tasks[{index}].data.{config.key}")
            results[index] = {"result": [], "score": None, "error": detail}
    holder.get().require_reviews()
    rated = list(reviews)
    for start in range(0, len(rated), settings.CLASSIFIER_MAX_TEXTS):
        some = rated[start : start + settings.CLASSIFIER_MAX_TEXTS]
        predictions = rate([reviews[index] for index in some], source=Prediction.Source.STUDIO)
        for index, prediction in zip(some, predictions, strict=True):
            version = str(prediction.model_version)
            results[index] = {
                "result": regions_of(prediction, config),
                "score": prediction.score,
                "model_version": version,
            }
    return {
        "results": [{"model_version": version, **result} for result in results],
        "model_version": version,
    }


def model_version() -> str:
    """name@revision of the model that answers.

    Raises:
        ModelNotReady: none can.
    """
    predictor = holder.get()
    return f"{predictor.name}@{predictor.revision}"
