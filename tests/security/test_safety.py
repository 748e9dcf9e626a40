"""What no process of the site starts with."""

import subprocess
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from reviewsite import safety
from tests.site import ROOT, START_SECONDS, Site, command

GOOD_KEY = "abcdefgh" * 8
BELOW = {
    "torch": "2.9.1+cpu",
    "transformers": "5.4.9",
    "djangorestframework": "3.17.1",
    "gunicorn": "26.0.0",
    "celery": "5.2.1",
}


def installed(versions: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As if these were the only ones of the libraries."""

    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(safety, "version", version)


def test_this_site_is_safe() -> None:
    assert run_checks(tags=[safety.TAG]) == []
    safety.refuse_unsafe()


@pytest.mark.parametrize("name", safety.FLOORS)
def test_an_old_library_is_an_error_with_its_remedy(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed({**safety.FLOORS, name: BELOW[name]}, monkeypatch)

    [found] = safety.libraries_are_new_enough()

    assert found.id == "reviewsite.E001"
    assert f"{name} must be {safety.FLOORS[name]}" in found.msg
    assert BELOW[name] in found.msg
    assert "pip install" in str(found.hint)


def test_one_that_is_not_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    installed({"gunicorn": "26.1rc1"}, monkeypatch)
    assert len(safety.libraries_are_new_enough()) == 1  # a candidate comes before the release
    installed({"gunicorn": "26.1.0.post1"}, monkeypatch)
    assert safety.libraries_are_new_enough() == []


@pytest.mark.parametrize(
    ("url", "errors"),
    [
        ("", 0),
        ("redis://127.0.0.1:6379/0", 0),
        ("redis://127.8.9.1/0", 0),
        ("redis://localhost/0", 0),
        ("redis://[::1]:6379/0", 0),
        ("redis+socket:///run/redis.sock", 0),
        ("unix:///run/redis.sock", 0),
        ("redis://:secret@redis:6379/0", 0),
        ("redis://user:secret@10.0.0.1/0", 0),
        ("redis://redis:6379/0", 1),
        ("redis://10.0.0.1/0", 1),
        ("redis://user@10.0.0.1/0", 1),
        ("redis://:@10.0.0.1/0", 1),
        ("rediss://redis.example/0", 1),
        ("redis://127.0.0.1.evil.example/0", 1),
    ],
)
def test_a_broker_elsewhere_has_a_password(url: str, errors: int, settings: Settings) -> None:
    settings.REDIS_URL = url
    assert [found.id for found in safety.broker_is_guarded()] == errors * ["reviewsite.E002"]


@pytest.mark.parametrize("key", ["short", "a" * 64, "django-insecure-" + GOOD_KEY])
def test_a_deployment_has_a_key_that_cannot_be_guessed(key: str, settings: Settings) -> None:
    settings.SECRET_KEY = key
    settings.DEPLOYED = False
    assert safety.deployment_is_closed() == []
    settings.DEPLOYED = True
    [found] = safety.deployment_is_closed()
    assert found.id == "reviewsite.E003"
    assert key not in found.msg


def test_a_deployment_is_not_debugged(settings: Settings) -> None:
    settings.SECRET_KEY = GOOD_KEY
    settings.DEBUG = settings.DEPLOYED = True
    [found] = safety.deployment_is_closed()
    assert found.id == "reviewsite.E004"
    settings.DEBUG = False
    assert safety.deployment_is_closed() == []


UNSAFE = {
    "SECRET_KEY must be": {"SECRET_KEY": "short"},
    "A deployment must not run with DEBUG": {"DEBUG": "true"},
    "must have a password": {"REDIS_URL": "redis://redis.example/0"},
}


def test_neither_server_nor_commands_start_unsafe(tmp_path: Path) -> None:
    environment = {"SECRET_KEY": GOOD_KEY, "ALLOWED_HOSTS": "reviews.example"}
    for values in UNSAFE.values():
        environment |= values
    site = Site.prepared(tmp_path, **environment)

    for arguments in (command("web"), [command("web")[0], "manage.py", "check"]):
        done = subprocess.run(
            arguments,
            cwd=ROOT,
            env=site.environment,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )
        assert done.returncode != 0
        for reason in UNSAFE:
            assert reason in done.stderr
        assert "short" not in done.stderr
