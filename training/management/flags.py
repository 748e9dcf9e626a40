"""The flags of a command that runs by a config: one a parameter, in a group a section."""

from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from django.core.management.base import CommandError


def add_flags(parser: ArgumentParser, kinds: Mapping[str, type]) -> None:
    """Add `--learning-rate` for the field `learning_rate`, and so on; None where it is not given.

    Args:
        kinds: the class of each section.
    """
    for section, kind in kinds.items():
        group = parser.add_argument_group(section)
        hints = get_type_hints(kind)
        for item in fields(kind):
            default = "" if item.default in (MISSING, "") else f" (default: {item.default})"
            hint = hints[item.name]
            kind_of_value: dict[str, Any] = {"type": hint}
            if hint is bool:
                kind_of_value = {"action": BooleanOptionalAction}
            elif get_origin(hint) is Literal:
                kind_of_value = {"choices": get_args(hint)}
            group.add_argument(
                f"--{item.name.replace('_', '-')}",
                default=None,
                help=item.metadata["help"] + default,
                **kind_of_value,
            )


def given_flags(options: Mapping[str, Any], kinds: Mapping[str, type]) -> dict[str, Any]:
    """The parameters that were given on the command line."""
    names = {item.name for kind in kinds.values() for item in fields(kind)}
    return {name: options[name] for name in names if options[name] is not None}


@contextmanager
def going_on(command: str, flags: str) -> Iterator[None]:
    """Say of a run that stops how it goes on.

    Args:
        flags: those that name it.
    """
    from training.checkpoints import TrainingStopped

    how = f"Go on with: manage.py {command} {flags} --resume"
    try:
        yield
    except TrainingStopped as error:
        raise CommandError(f"{error} {how}") from error
    except KeyboardInterrupt as error:
        raise CommandError(f"Stopped. {how}") from error
