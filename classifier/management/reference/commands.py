"""The site's own commands of manage.py, from what their parsers of arguments know."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand, DjangoHelpFormatter

from classifier.api.error_sources import ROOT

OWN = ("classifier", "training")
UNNAMED = ("positional arguments", "options")  # argparse's own groups
HEAD = """# Commands

Made by `manage.py reference` from the code. Each is called as `.venv/bin/python manage.py NAME`,
and `--help` says the same; every command also takes Django's own options, such as `--verbosity`.
What can be made (`make run`, `make test`) is listed by `make help`.
"""


def page() -> str:
    """All of the commands, by name."""
    named = {name: app for name, app in get_commands().items() if app in OWN}
    links = [f"- [`{name}`](#{name})" for name in sorted(named)]
    sections = (_section(name, load_command_class(named[name], name)) for name in sorted(named))
    return "\n".join([HEAD, "\n".join(links), "", *sections])


def _section(name: str, command: BaseCommand) -> str:
    parser = command.create_parser("manage.py", name)
    lines = [f"## {name}", "", _plain(command.help), ""]
    for group in _groups(parser):
        lines += group
    for words, below in _subcommands(parser):
        lines += [
            f"### {name} {words}",
            "",
            _plain(below.description or _help_of(parser, words)),
            "",
        ]
        for group in _groups(below):
            lines += group
    return "\n".join(lines)


def _groups(parser: argparse.ArgumentParser) -> Iterator[list[str]]:
    """The lines of a table for the arguments of the command's own, and of one for each group."""
    grouped: dict[str, list[argparse.Action]] = {}
    for group in parser._action_groups:
        title = "" if group.title in UNNAMED else (group.title or "")
        grouped.setdefault(title, []).extend(filter(_own, group._group_actions))
    for title, actions in grouped.items():
        if actions:
            head = [f"{title.capitalize()}:", ""] if title else []
            rows = (f"| `{_usage(action)}` | {_meaning(action, parser)} |" for action in actions)
            yield [*head, "| argument | means |", "|---|---|", *rows, ""]


def _own(action: argparse.Action) -> bool:
    """Whether the command has defined it, not Django or argparse for all commands."""
    common = DjangoHelpFormatter.show_last
    return (
        not common & set(action.option_strings)
        and not isinstance(action, argparse._HelpAction | argparse._SubParsersAction)
        and action.help != argparse.SUPPRESS
    )


def _usage(action: argparse.Action) -> str:
    """How it is written on the command line."""
    formatter = argparse.HelpFormatter("")
    if not action.option_strings:
        return formatter._format_args(action, str(action.metavar or action.dest))
    flags = "`, `".join(action.option_strings)
    if action.nargs == 0:
        return flags
    default = formatter._get_default_metavar_for_optional(action)
    return f"{flags} {formatter._format_args(action, default)}"


def _meaning(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    said = argparse.HelpFormatter(parser.prog)._expand_help(action) if action.help else ""
    parts = [_plain(said)] if said else []
    if action.required and action.option_strings:
        parts.append("required")
    default = action.default
    untold = default in (None, "", [], argparse.SUPPRESS) or isinstance(default, bool)
    if "default" not in said and not untold:
        parts.append(f"default: `{_portable(default)}`")
    return "; ".join(parts).replace("|", r"\|")


def _portable(default: object) -> object:
    """A path of this machine, from the top of the checkout."""
    if isinstance(default, Path) and default.is_relative_to(ROOT):
        return default.relative_to(ROOT)
    return default


def _subcommands(
    parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _help_of(parser: argparse.ArgumentParser, words: str) -> str:
    """What the list of subcommands says of one."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                if choice.dest == words:
                    return choice.help or ""
    return ""


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("<", "&lt;")
