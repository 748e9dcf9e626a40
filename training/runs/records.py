"""What a run was started with, as its directory keeps it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from classifier.messages import message
from classifier.model_files import METRICS
from training.config.paths import without_paths
from training.config.sections import ConfigError, Sections

CONFIG = "config.json"

Config = TypeVar("Config", bound=Sections)


def recorded_config(kind: type[Config], runs_dir: Path, name: str) -> Config:
    """The parameters that the run `name` was started with.

    Args:
        kind: of the run; those of another are not looked at.

    Raises:
        ConfigError: there is no such run.
    """
    known = {}
    for record in sorted(runs_dir.glob(f"*/{CONFIG}")):
        sections = json.loads(record.read_text(encoding="utf-8"))
        if sections.keys() <= kind.kinds().keys():
            known[record.parent.name] = sections
    if name not in known:
        raise ConfigError(
            message(
                "Only a run that was started by this command can be resumed, and those are "
                "{found}, but it is {name!r}. Check --name.",
                found=", ".join(known) or "none",
                name=name,
            )
        )
    return kind.from_sections(known[name])


def published_facts(model_dir: Path, sections: Mapping[str, Mapping[str, Any]]) -> Any:
    """The facts of a run's model where it was published before the run was cut off, else None.

    Args:
        sections: the run's parameters.

    Raises:
        ConfigError: another run's model has the name.
    """
    record = model_dir / METRICS
    if not record.is_file():
        return None
    facts = json.loads(record.read_text(encoding="utf-8"))
    if facts.get("config") != without_paths(sections):
        raise ConfigError(
            message(
                "A run goes on to a model of its own, but {model_dir} was made with other "
                "parameters. Move that model away, or start a run of another name.",
                model_dir=model_dir,
            )
        )
    return facts
