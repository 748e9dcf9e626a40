"""What deploy/process looks at before it starts a site, and how it ends where that is not safe."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import registry

from tests.site import NOT_INHERITED, ROOT

KEY = "abcdefgh" * 8
SAID = "The site does not start"


def start(process: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """deploy/process, with programs that tell of their start in the place of those of the site."""
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("gunicorn", "honcho"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} is started"\n')
        (programs / name).chmod(0o755)
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {*NOT_INHERITED, "SECRET_KEY", "ALLOWED_HOSTS", "HTTPS", "DEBUG"}
    }
    return subprocess.run(
        [ROOT / "deploy" / "process", process],
        cwd="/",
        env={
            **inherited,
            "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "VAR_DIR": str(folder / "var"),
            "CLASSIFIER_MODEL": "one that comes later",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=180,
    )


def test_a_deployment_that_is_safe_is_started(tmp_path: Path) -> None:
    done = start("web", tmp_path, ALLOWED_HOSTS="reviews.example", SECRET_KEY=KEY)
    assert done.returncode == 0, done.stderr
    assert "gunicorn is started" in done.stdout
    assert SAID not in done.stderr


@pytest.mark.parametrize(
    ("process", "environment", "found"),
    [
        ("web", {"SECRET_KEY": KEY, "DEBUG": "true"}, "reviewsite.E004"),
        ("migrate", {"SECRET_KEY": "short" * 5}, "security.W009"),
        ("all", {"SECRET_KEY": KEY, "CLASSIFIER_ENGINE": "steam"}, "classifier.E004"),
        ("web", {"SECRET_KEY": KEY, "REDIS_URL": "redis://redis/0"}, "reviewsite.E002"),
        ("web", {}, "A deployment needs a secret key of its own"),
    ],
)
def test_one_that_is_not_ends_and_says_why(
    process: str, environment: dict[str, str], found: str, tmp_path: Path
) -> None:
    done = start(process, tmp_path, ALLOWED_HOSTS="reviews.example", **environment)
    assert done.returncode == 1
    assert found in done.stderr
    assert done.stderr.rstrip().splitlines()[-1].startswith(SAID)
    assert "is started" not in done.stdout
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "var" / "db.sqlite3").exists()  # nothing was prepared


def test_https_is_left_out_only_where_that_is_said_outright(tmp_path: Path) -> None:
    done = start("web", tmp_path, ALLOWED_HOSTS="reviews.example", SECRET_KEY=KEY, HTTPS="false")
    assert done.returncode == 0, done.stderr
    assert "reviewsite.I005" in done.stderr
    assert "gunicorn is started" in done.stdout


def test_a_site_of_this_machine_alone_is_asked_nothing(tmp_path: Path) -> None:
    done = start("web", tmp_path, DEBUG="true")
    assert done.returncode == 0, done.stderr
    assert "gunicorn is started" in done.stdout


def test_all_that_concerns_settings_is_asked() -> None:
    """Of the site's own checks those are left out that concern what a start may still bring."""
    asked = {"security", "safety", "configuration"}
    arguments = "--tag security --tag safety --tag configuration"
    assert arguments in (ROOT / "deploy" / "process").read_text()
    ours = [
        check
        for check in registry.registry.get_checks(include_deployment_checks=True)
        if check.__module__.split(".")[0] in ("classifier", "training", "reviewsite")
    ]
    left_out = [check for check in ours if not asked & set(check.tags)]
    assert {str(getattr(check, "__name__", check)) for check in left_out} == {
        *("model_is_there", "translations_are_compiled", "languages_are_detected"),
        "_check_registered",
    }
