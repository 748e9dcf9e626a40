"""What the parameters of every kind of run are made of: options in sections, each with a rule."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import UnionType
from typing import Any, Literal, Self, get_args, get_origin, get_type_hints

from classifier.messages import message


class ConfigError(ValueError):
    """A parameter breaks its rule; the message says rule, value and remedy.

    Attributes:
        parts: the three by themselves, where the rule is one of this module.
    """

    parts: tuple[str, str, str] | None = None


def require(holds: bool, rule: str, value: object, remedy: str) -> None:
    """Raise a ConfigError of the three where a rule does not hold."""
    if not holds:
        error = ConfigError(
            message(
                "{rule}, but it is {value}. {remedy}", rule=rule, value=repr(value), remedy=remedy
            )
        )
        error.parts = (rule, repr(value), remedy)
        raise error


def option(help_text: str, **kwargs: Any) -> Any:
    """A dataclass field with the help text of its flag."""
    return field(metadata={"help": help_text}, **kwargs)


@dataclass(frozen=True, kw_only=True)
class Sections:
    """The parameters of a run of some kind; each field is a section of its recipe."""

    @classmethod
    def kinds(cls) -> dict[str, type]:
        """The class of each section, by its name."""
        return get_type_hints(cls)

    @classmethod
    def from_sections(cls, sections: Mapping[str, Mapping[str, Any]]) -> Self:
        """Build from `{"data": {...}, "model": {...}, ...}`; what is left out has its default.

        Raises:
            ConfigError: an unknown section or key, a wrong type, or a broken rule.
        """
        kinds = cls.kinds()
        unknown = sorted(set(sections) - set(kinds))
        require(
            not unknown,
            message("The sections are {names}", names=", ".join(kinds)),
            ", ".join(unknown),
            message("Rename or remove it."),
        )
        return cls(
            **{name: _section(name, kind, sections.get(name, {})) for name, kind in kinds.items()}
        )

    def to_sections(self) -> dict[str, dict[str, Any]]:
        return asdict(self)

    def to_toml(self) -> str:
        """The parameters as a recipe file."""
        return "\n".join(
            line
            for section, values in self.to_sections().items()
            # A JSON string, number or truth value is one of TOML, too.
            for line in (f"[{section}]", *(f"{k} = {json.dumps(v)}" for k, v in values.items()), "")
        )


def _section(name: str, kind: type, values: Mapping[str, Any]) -> Any:
    hints = get_type_hints(kind)
    for key, value in values.items():
        require(
            key in hints,
            message("[{name}] has the keys {names}", name=name, names=", ".join(hints)),
            key,
            message("Rename or remove it."),
        )
        _check_type(f"{name}.{key}", hints[key], value)
    missing = [
        item.name for item in fields(kind) if item.name == "dataset" and "dataset" not in values
    ]
    require(not missing, message("A run needs a data set"), "nothing", message("Give --dataset."))
    return kind(
        **{key: float(value) if hints[key] is float else value for key, value in values.items()}
    )


def _check_type(key: str, hint: Any, value: object) -> None:
    if get_origin(hint) is Literal:
        choices = get_args(hint)
        require(
            value in choices,
            message("{key} is one of {names}", key=key, names=", ".join(choices)),
            value,
            message("Choose one."),
        )
        return
    # bool is an int to Python, and 2 is a fine float.
    accepted: type | UnionType = int | float if hint is float else hint
    require(
        isinstance(value, accepted) and (hint is bool or not isinstance(value, bool)),
        message("{key} must be of type {name}", key=key, name=hint.__name__),
        value,
        message("Mend its type."),
    )
