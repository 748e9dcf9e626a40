"""Parameters as they are told to others: without the paths of this machine."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

DATA_FILES = (".csv", ".jsonl", ".parquet")


def without_paths(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """A config's sections with every path of this machine cut to its last part.

    What is pushed tells nobody how the folders of this machine are called.
    """
    return {
        section: {key: _last_part(value) for key, value in values.items()}
        for section, values in sections.items()
    }


def dataset_name(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """What the data set is called: a Hub id or a name as it is, of a file or a folder the name."""
    name = str(_last_part(sections["data"]["dataset"]))
    return Path(name).stem if name.endswith(DATA_FILES) else name


def _last_part(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    local = value.startswith(("/", "~", ".")) or "\\" in value or value.count("/") > 1
    if local or value.endswith(DATA_FILES) or ("/" in value and Path(value).exists()):
        return re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    return value
