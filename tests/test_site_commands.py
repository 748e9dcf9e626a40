"""Each command checks what the site is started with first, and nothing that takes long."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import SystemCheckError
from pytest_django import Settings

from reviewsite import safety
from reviewsite.commands import CONFIGURATION
from tests.site import ROOT, migrated_file

UNCHECKED = {"doctor", "restore", "run_training"}
OWN = sorted(name for name, app in get_commands().items() if app in ("classifier", "training"))


def test_each_command_checks_the_settings_unless_it_says_why_not() -> None:
    checks = {name: load_command_class(get_commands()[name], name) for name in OWN}
    assert {name for name, command in checks.items() if command.requires_system_checks == []} == (
        UNCHECKED
    )
    assert {
        tuple(command.requires_system_checks)
        for name, command in checks.items()
        if name not in UNCHECKED
    } == {(safety.TAG, CONFIGURATION)}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("CLASSIFIER_MAX_CHARS", 0, "CLASSIFIER_MAX_CHARS must be 1 or more"),
        ("REDIS_URL", "redis://broker.example:6379/0", "password"),
    ],
)
def test_a_command_is_refused_where_the_settings_are_wrong_or_unsafe(
    settings: Settings, name: str, value: object, said: str
) -> None:
    setattr(settings, name, value)
    with pytest.raises(SystemCheckError, match=said):
        call_command("list_models", skip_checks=False)


def test_a_command_reads_no_page_of_the_site(tmp_path: Path) -> None:
    (tmp_path / "db.sqlite3").write_bytes(migrated_file().read_bytes())
    code = (
        "import sys, manage; sys.argv = ['manage.py', 'list_models']; manage.main(); "
        "print([name for name in ('reviewsite.urls', 'classifier.admin') if name in sys.modules])"
    )
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "reviewsite.settings",
        "VAR_DIR": str(tmp_path),
    }
    said = subprocess.check_output(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, text=True
    )
    assert said.splitlines()[-1] == "[]"
