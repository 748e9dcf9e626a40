"""Recipes: files of parameters, each of which runs as it is; a flag overrides any value of them."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.config import ConfigError, FinetuningConfig, with_overrides

DIRECTORY = Path(__file__).parent


def recipe_names() -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in DIRECTORY.glob("*.toml")))


def recipe_description(name: str) -> str:
    """The comment at the head of the file, in one line."""
    lines = _file(name).read_text(encoding="utf-8").splitlines()
    head = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    return " ".join(line.removeprefix("#").strip() for line in head)


def load_recipe(name: str, overrides: Mapping[str, Any] | None = None) -> FinetuningConfig:
    """The parameters of a recipe, single ones overridden by their names.

    Raises:
        ConfigError: there is no such recipe, or a parameter breaks its rule.
    """
    sections = tomllib.loads(_file(name).read_text(encoding="utf-8"))
    return FinetuningConfig.from_sections(with_overrides(sections, overrides or {}))


def _file(name: str) -> Path:
    if name not in recipe_names():
        raise ConfigError(
            f"The recipes are {', '.join(recipe_names())}, but it is {name!r}. "
            "Choose one of them; finetune --list-recipes describes each."
        )
    return DIRECTORY / f"{name}.toml"
