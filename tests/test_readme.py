"""What the README promises exists: its commands, its make targets, its settings."""

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = [line.strip() for line in README.splitlines() if line.startswith("    ")]
MANAGE = [line.split("manage.py ", 1)[1] for line in CODE if "manage.py " in line]
SETTINGS = re.compile(r'(?:env\.\w+\(|environ\.get\(|ENVIRON.*?)\s*"([A-Z_]+)"')


@pytest.mark.parametrize("line", MANAGE)
def test_each_manage_command_takes_the_options_it_is_shown_with(line: str) -> None:
    name, *arguments = shlex.split(line, comments=True)
    command = load_command_class(get_commands()[name], name)
    parser = command.create_parser("manage.py", name)
    parser.parse_args(arguments)


def test_each_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {words[-1] for line in CODE if (words := line.split())[:1] == ["make"]}
    assert {"run", "test", "admin"} <= shown <= targets


def test_the_settings_table_lists_what_is_read_and_nothing_else() -> None:
    table = README.split("## Settings")[1].split("\n## ")[0]
    documented = set(re.findall(r"`([A-Z_]+)`", "".join(re.findall(r"^\|[^|]*\|", table, re.M))))
    read = {
        name
        for file in ("settings.py", "gunicorn.py")
        for name in SETTINGS.findall((ROOT / "reviewsite" / file).read_text())
    }
    assert documented == read
