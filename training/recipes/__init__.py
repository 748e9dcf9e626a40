"""Recipes: files of parameters, each of which runs as it is; a flag overrides any value of them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from classifier.messages import message
from training.config import ConfigError, FinetuningConfig, with_overrides
from training.config.sections import Sections
from training.pretraining.config import PretrainingConfig

DIRECTORY = Path(__file__).parent

Config = TypeVar("Config", bound=Sections)


@dataclass(frozen=True)
class Recipes(Generic[Config]):
    """The recipes of one command: the files of a folder."""

    command: str
    directory: Path
    kind: type[Config]

    def names(self) -> tuple[str, ...]:
        return tuple(sorted(file.stem for file in self.directory.glob("*.toml")))

    def description(self, name: str) -> str:
        """The comment at the head of the file, in one line."""
        lines = self._file(name).read_text(encoding="utf-8").splitlines()
        head = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
        return " ".join(line.removeprefix("#").strip() for line in head)

    def load(self, name: str, overrides: Mapping[str, Any] | None = None) -> Config:
        """The parameters of a recipe, single ones overridden by their names.

        Raises:
            ConfigError: there is no such recipe, or a parameter breaks its rule.
        """
        sections = tomllib.loads(self._file(name).read_text(encoding="utf-8"))
        return self.kind.from_sections(
            with_overrides(sections, overrides or {}, kinds=self.kind.kinds())
        )

    def _file(self, name: str) -> Path:
        if name not in self.names():
            raise ConfigError(
                message(
                    "The recipes are {names}, but it is {name!r}. Choose one of them; {command} "
                    "--list-recipes describes each.",
                    names=", ".join(self.names()),
                    name=name,
                    command=self.command,
                )
            )
        return self.directory / f"{name}.toml"


FINETUNING = Recipes("finetune", DIRECTORY, FinetuningConfig)
PRETRAINING = Recipes("pretrain", DIRECTORY / "pretraining", PretrainingConfig)

recipe_names = FINETUNING.names
recipe_description = FINETUNING.description
load_recipe = FINETUNING.load
