"""What a run of the site may read: nothing but what its operator put there, and the Hub.

On the command line a data set or a model is any path. Through the admin and the API it is a name:
whoever may start a run shall not read any file of the worker.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from classifier.messages import message, message_of
from training.config import REVIEWED, FinetuningConfig
from training.exceptions import InvalidRun
from training.hub import HubError
from training.hub.connection import require_repo_id, require_revision
from training.runs.names import RESERVED

MAX_LENGTH = 200
_PART = r"[A-Za-z0-9][\w.-]*"
_NAME = re.compile(rf"(?!.*\.\.){_PART}(?:/{_PART})*", re.ASCII)
_FILE = re.compile(rf"(?!.*\.\.){_PART}", re.ASCII)


def require_site_sources(config: FinetuningConfig) -> None:
    """Refuse paths, addresses, and names that cannot be one of the site or of the Hub.

    Raises:
        InvalidRun: with the parameter in `field`.
    """
    _require_name("dataset", config.data.dataset, message("a name under DATASETS_DIR, 'reviewed'"))
    if config.data.replay_dataset:
        _require_name(
            "replay_dataset", config.data.replay_dataset, message("a name under DATASETS_DIR")
        )
    for name in config.data.further:
        _require_name("also_train", name, message("names under DATASETS_DIR"))
    for field, name in (
        ("adapter", config.model.adapter),
        ("pseudo_rows", config.distillation.pseudo_rows),
    ):
        if name and not _FILE.fullmatch(name):
            raise InvalidRun(
                code="source",
                field=field,
                rule=message("{field} is a name, and no path.", field=field),
                value=repr(name[:MAX_LENGTH]),
                remedy=message(
                    "Give the name alone; the folders that it lies in are the site's own."
                ),
            )
    _require_name(
        "base_model", config.model.base_model, message("'minilm', 'starter', a model's name")
    )
    if config.augmentation.generator_model:
        _require_name(
            "generator_model", config.augmentation.generator_model, message("a model's name")
        )
    if (table := config.data.group_table) and not _FILE.fullmatch(table):
        raise InvalidRun(
            code="source",
            field="group_table",
            rule=message("group_table is the name of a file beside the data set."),
            value=repr(table[:MAX_LENGTH]),
            remedy=message("Give the file's name alone."),
        )
    _require_hub("base_revision", config.model.base_revision, require_revision)
    _require_hub("push_to_hub", config.publishing.push_to_hub, require_repo_id)


def located(config: FinetuningConfig, *, models_dir: Path, datasets_dir: Path) -> FinetuningConfig:
    """`config` with names of this site's files as paths, so that no other file is meant by them.

    Raises:
        InvalidRun: a name means a file of the worker's working directory.
    """
    base, generator = config.model.base_model, config.augmentation.generator_model
    replayed = config.data.replay_dataset
    return replace(
        config,
        data=replace(
            config.data,
            dataset=_dataset("dataset", config.data.dataset, datasets_dir),
            replay_dataset=replayed and _dataset("replay_dataset", replayed, datasets_dir),
            also_train=",".join(
                _dataset("also_train", name, datasets_dir) for name in config.data.further
            ),
        ),
        model=replace(config.model, base_model=_model("base_model", base, models_dir)),
        augmentation=replace(
            config.augmentation,
            generator_model=generator and _model("generator_model", generator, models_dir),
        ),
    )


def is_here(dataset: object, *, datasets_dir: Path) -> bool:
    """Whether a data set of that name lies under `datasets_dir`; any value may be asked for."""
    from training.data.reading import locate  # here: pandas would slow the web process

    return (
        isinstance(dataset, str)
        and _NAME.fullmatch(dataset) is not None
        and locate(str(datasets_dir / dataset), datasets_dir=datasets_dir) is not None
    )


def _dataset(field: str, name: str, datasets_dir: Path) -> str:
    from training.data.reading import locate

    if name == REVIEWED:
        return name
    if path := locate(str(datasets_dir / name), datasets_dir=datasets_dir):
        return str(path)
    if locate(name, datasets_dir=datasets_dir):
        raise _elsewhere(field, name)
    return name


def _model(field: str, name: str, models_dir: Path) -> str:
    if name in RESERVED:
        return name
    if (path := models_dir / name).is_dir():
        return str(path)
    if Path(name).exists():
        raise _elsewhere(field, name)
    return name


def _require_name(field: str, value: str, accepted: str) -> None:
    if len(value) > MAX_LENGTH or not _NAME.fullmatch(value):
        raise InvalidRun(
            code="source",
            field=field,
            rule=message(
                "{field} is {accepted} or a Hub id, and no path or address.",
                field=field,
                accepted=accepted,
            ),
            value=repr(value[:MAX_LENGTH]),
            remedy=message("Give a name; files are put under the site's folders by its operator."),
        )


def _require_hub(field: str, value: str, require: Callable[[str], str]) -> None:
    try:
        if value:
            require(value)
    except HubError as error:
        raise InvalidRun(
            code="source",
            field=field,
            rule=message("{field} is what the Hub would accept.", field=field),
            value=repr(value[:MAX_LENGTH]),
            remedy=message_of(error),
        ) from error


def _elsewhere(field: str, name: str) -> InvalidRun:
    return InvalidRun(
        code="source",
        field=field,
        rule=message("{field} is a name under the site's folders or a Hub id.", field=field),
        value=message("{name!r}, which is a file where the worker was started", name=name),
        remedy=message("Put it under DATASETS_DIR or the models folder, or give another name."),
    )
