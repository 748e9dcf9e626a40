"""What the Hub has: models and data sets by words and task."""

from dataclasses import dataclass
from typing import Any, Literal

from training.hub.connection import Hub

# Bytes of one parameter, by the names that safetensors gives to types.
_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}

_SHOWN = ("downloads", "tags", "gated")


@dataclass(frozen=True)
class Found:
    """One model or data set."""

    repo_id: str
    size: int | None
    """Bytes of a model's safetensors, of all files of a data set; None: the Hub does not say, and
    a model without safetensors cannot be pulled."""
    downloads: int
    """In the last 30 days."""
    licence: str
    gated: bool
    """Whether its authors give access one by one."""


def search_hub(
    words: str,
    *,
    kind: Literal["models", "datasets"] = "models",
    task: str = "text-classification",
    limit: int = 20,
    hub: Hub | None = None,
) -> list[Found]:
    """The most downloaded models or data sets whose name has `words`.

    Args:
        task: of the Hub's tasks; empty for any.
        limit: at most so many, 1..100.

    Raises:
        HubError: not reached, or refused.
    """
    hub = hub or Hub.from_environment()
    with hub.session() as session:
        if kind == "models":
            ask: Any = session.api.list_models
            filters = {"pipeline_tag": task or None, "expand": [*_SHOWN, "safetensors"]}
        else:
            ask = session.api.list_datasets
            filters = {"task_categories": task or None, "expand": [*_SHOWN, "usedStorage"]}
        found = session.persist(
            lambda: list(ask(search=words, sort="downloads", limit=limit, **filters))
        )
        return [_found(info, hub) for info in found]


def _found(info: Any, hub: Hub) -> Found:
    size = getattr(info, "used_storage", None) or getattr(info, "usedStorage", None)
    if weights := getattr(info, "safetensors", None):
        size = sum(count * _BYTES.get(kind, 1) for kind, count in weights.parameters.items())
    licences = [tag.removeprefix("license:") for tag in info.tags or [] if "license:" in tag]
    return Found(
        # What others named is printed on a terminal.
        repo_id=hub.masked(info.id),
        size=size,
        downloads=info.downloads or 0,
        licence=hub.masked(", ".join(licences)),
        gated=bool(info.gated),
    )
