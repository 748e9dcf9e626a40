"""What the admin, the API and the command share: starting, cancelling and retrying runs."""

import itertools
import re
import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from classifier.jobs.job import STATES
from classifier.jobs.wake import wake, wake_on_commit
from classifier.messages import message, told
from classifier.texts import json_type
from training.config import REVIEWED, SECTIONS, ConfigError, FinetuningConfig, with_overrides
from training.exceptions import InvalidRun
from training.models import RETRIED, TrainingRun
from training.recipes import load_recipe, recipe_names
from training.runs.names import RESERVED, require_name, taken_by
from training.runs.sources import require_site_sources
from training.served import served_model
from training.tasks import train
from training.verdicts.reviewed import learnable_count, require_enough_reviewed, reviewed_count

__all__ = [
    "cancel",
    "default_name",
    "learnable_count",
    "retrain",
    "retry",
    "reviewed_count",
    "start_run",
]

PARAMETERS = tuple(item.name for kind in SECTIONS.values() for item in fields(kind))
LONGEST = 500  # characters of a parameter
LARGEST = 2**53  # of a number; every database and every reader of JSON holds it as it is
_FLAG = re.compile(r"--([a-z]+(?:-[a-z]+)*)")


def start_run(
    *,
    name: str = "",
    recipe: str = "",
    overrides: Mapping[str, Any] | None = None,
    started_by: AbstractBaseUser | AnonymousUser | None = None,
) -> TrainingRun:
    """Queue a run; whatever is wrong with it is said now, not by the worker.

    Args:
        name: of the run and of its model; "" takes the data set's and the time.
        recipe: one of recipe_names(), or "" for the defaults.
        overrides: parameters by their names, whatever their section.

    Raises:
        InvalidRun: a rule is broken, or the name is taken; nothing is queued.
    """
    config = _config(recipe, dict(overrides or {}))
    require_site_sources(config)
    if config.data.dataset == REVIEWED:
        require_enough_reviewed()
    name = name or _free_name(config.data.dataset)
    _require_name(name)
    run = TrainingRun(
        name=name,
        recipe=recipe,
        config=config.to_sections(),
        started_by_id=getattr(started_by, "pk", None),
    )
    try:
        with transaction.atomic():
            run.save(force_insert=True)
    except IntegrityError as error:
        raise _name_taken(name) from error
    run.refresh_from_db()
    wake_on_commit(train, run)
    return run


def retrain(*, started_by: AbstractBaseUser | AnonymousUser | None = None) -> TrainingRun:
    """Queue a run of the recipe `reviewed` that goes on from the model that serves.

    Rows of the data set that the model was first trained on are mixed in where it lies under
    DATASETS_DIR; else replay_dataset is empty, and verdicts alone are learnt from.

    Raises:
        InvalidRun: there are too few verdicts, or one such run is under way; nothing is queued.
        ModelNotReady: no model serves.
        OSError: there is no room for the files of the model that serves.
    """
    if under_way := TrainingRun.objects.filter(recipe=REVIEWED, finished_at=None).first():
        raise InvalidRun(
            code="retraining",
            field=None,
            rule=message("One retraining is under way at a time."),
            value=message(
                "the run {name} is {status}", name=under_way.name, status=STATES[under_way.status]
            ),
            remedy=message("Wait for it, or cancel it."),
        )
    require_enough_reviewed()
    parameters = served_model().parameters
    return start_run(recipe=REVIEWED, overrides=parameters, started_by=started_by)


def cancel(pk: UUID) -> bool:
    """Cancel a run that waits or is paused, and ask one that is at work to end.

    Returns:
        False for one that is over.
    """
    return bool(TrainingRun.objects.request_cancel(pk))


def retry(pk: UUID) -> bool:
    """Queue a run again that failed, was cancelled or is paused; False for any other.

    It goes on from its last checkpoint, where it has one.
    """
    queued = TrainingRun.objects.filter(pk=pk, status__in=RETRIED).update(
        status=TrainingRun.Status.QUEUED,
        queued_at=Now(),
        finished_at=None,
        cancel_requested=False,
        worker_losses=0,
        pauses=0,
        look_at=None,
        stopping=False,
        woken_at=None,
        stage="",
        error="",
    )
    if queued:
        transaction.on_commit(lambda: wake(train, TrainingRun, pk))
    return bool(queued)


def default_name(dataset: str) -> str:
    """What a run is called that is given no name: its data set and the time."""
    return f"{Path(dataset).stem[:70]}-{time.strftime('%Y%m%d-%H%M%S')}"


def _free_name(dataset: str) -> str:
    name = default_name(dataset)
    numbered = (f"{name}-{number}" for number in itertools.count(2))
    return next(each for each in itertools.chain([name], numbered) if not _is_taken(each))


def _config(recipe: str, overrides: dict[str, Any]) -> FinetuningConfig:
    if recipe and recipe not in recipe_names():
        raise InvalidRun(
            code="recipe_unknown",
            field="recipe",
            rule=message("recipe is one of {names}, or empty.", names=", ".join(recipe_names())),
            value=repr(recipe[:LONGEST]),
            remedy=message("Choose one of them."),
        )
    for key, value in overrides.items():
        _require_storable(key, value)
    try:
        if recipe:
            return load_recipe(recipe, overrides)
        return FinetuningConfig.from_sections(with_overrides({}, overrides))
    except ConfigError as error:
        raise _invalid(error) from error


def _invalid(error: ConfigError) -> InvalidRun:
    """The same for those who give parameters by name and not as flags."""
    rule, value, remedy = error.parts or (error.args[0], message("another"), message("Mend it."))
    # In the reader's language at once: a message whose flags are replaced is in no catalogue.
    rule, remedy = (
        _FLAG.sub(lambda flag: flag[1].replace("-", "_"), told(text)) for text in (rule, remedy)
    )
    named = (word for word in re.findall(r"\w+", f"{rule} {remedy}") if word in PARAMETERS)
    return InvalidRun(
        code="parameter",
        field=next(named, None),
        rule=f"{rule}.",
        value=value[:LONGEST],
        remedy=remedy,
    )


def _require_storable(key: str, value: object) -> None:
    """Refuse what no parameter may be, before a rule or a database trips over it."""
    rule = remedy = ""
    shown = repr(value)[:LONGEST] if isinstance(value, str | int | float) else json_type(value)
    if key not in PARAMETERS:
        rule = message("A parameter is one of a recipe.")
        remedy = message("Its sections are listed at /api/docs.")
        shown = repr(key[:LONGEST])
    elif isinstance(value, str) and (len(value) > LONGEST or not (value + " ").isprintable()):
        rule = message(
            "{key} has at most {longest} characters, all of them printable.",
            key=key,
            longest=LONGEST,
        )
        remedy = message("Shorten it, or remove the others.")
    elif isinstance(value, int | float) and not abs(value) <= LARGEST:  # so is NaN refused
        rule = message("{key} is a number of at most {largest:,}.", key=key, largest=LARGEST)
        remedy = message("Give a smaller one.")
    elif not isinstance(value, str | int | float):
        rule = message("{key} is a text, a number, or true or false.", key=key)
        remedy = message("Mend its type.")
    if rule:
        raise InvalidRun(
            code="parameter",
            field=key if key in PARAMETERS else None,
            rule=rule,
            value=shown,
            remedy=remedy,
        )


def _require_name(name: str) -> None:
    longest = TrainingRun._meta.get_field("name").max_length or LONGEST
    if len(name) > longest:
        raise InvalidRun(
            code="name",
            field="name",
            rule=message("A run's name has at most {longest} characters.", longest=longest),
            value=f"{len(name)}",
            remedy=message("Shorten it."),
        )
    try:
        require_name(name)
    except ConfigError as error:
        raise InvalidRun(
            code="name",
            field="name",
            rule=message(
                "A run's name is made of letters, digits, '.', '_' and '-', starts with a "
                "letter or digit, and is none of {names}.",
                names=", ".join(RESERVED),
            ),
            value=repr(name),
            remedy=message("Give another."),
        ) from error
    if _is_taken(name):
        raise _name_taken(name)


def _is_taken(name: str) -> bool:
    """By a run of the site, or by a run or a model of the terminal."""
    run_dir, model_dir = Path(settings.RUNS_DIR) / name, Path(settings.MODELS_DIR) / name
    return TrainingRun.objects.filter(name=name).exists() or bool(
        taken_by(run_dir=run_dir, model_dir=model_dir)
    )


def _name_taken(name: str) -> InvalidRun:
    return InvalidRun(
        code="name_taken",
        field="name",
        rule=message("A run's name must be new."),
        value=message("there is a run or a model {name!r}", name=name),
        remedy=message("Give another name."),
    )
