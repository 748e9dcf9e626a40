"""What a run was started with, as its directory keeps it."""

import json
from pathlib import Path
from typing import TypeVar

from training.sections import ConfigError, Sections

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
            f"Only a run that was started by this command can be resumed, and those are "
            f"{', '.join(known) or 'none'}, but it is {name!r}. Check --name."
        )
    return kind.from_sections(known[name])
