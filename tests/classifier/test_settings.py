"""The settings as an environment makes them, each in a process of its own."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.site import ROOT

SETTINGS = ("SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS", "DEBUG", "HTTPS", "REDIS_URL")
REPORT = """
import django, json
from django.conf import settings
django.setup()
from django.db import connection
names = ("SECRET_KEY", "DEBUG", "ALLOWED_HOSTS", "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE",
         "CELERY_BROKER_URL", "DATABASES")
print(json.dumps({name: getattr(settings, name) for name in names}, default=str))
"""
PRAGMAS = """
import django, json
django.setup()
from django.db import connection, transaction
with connection.cursor() as cursor:
    cursor.execute("PRAGMA journal_mode")
    mode = cursor.fetchone()[0]
other = connection.copy()
other.settings_dict["OPTIONS"] = {**other.settings_dict["OPTIONS"], "timeout": 0}
locked = False
with transaction.atomic():  # it has written nothing yet
    try:
        with other.cursor() as cursor:
            cursor.execute("CREATE TABLE reviews (text)")
    except Exception as error:
        locked = str(error) == "database is locked"
other.close()
print(json.dumps({"mode": mode, "locked": locked}))
"""


def run(var_dir: Path, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=inherited
        | {"VAR_DIR": str(var_dir), "DJANGO_SETTINGS_MODULE": "reviewsite.settings"}
        | environment,
        text=True,
        capture_output=True,
        timeout=120,
    )


def settings_of(var_dir: Path, **environment: str) -> dict[str, Any]:
    done = run(var_dir, REPORT, **environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    "environment", [{"ALLOWED_HOSTS": "reviews.example"}, {"DATABASE_URL": "sqlite:///x.sqlite3"}]
)
def test_a_deployment_without_a_secret_key_does_not_start(
    environment: dict[str, str], tmp_path: Path
) -> None:
    done = run(tmp_path, REPORT, **environment)

    assert done.returncode != 0
    assert "SECRET_KEY is not set" in done.stderr
    assert "secrets.token_urlsafe(64)" in done.stderr
    assert not (tmp_path / "secret_key").exists()


def test_a_deployment_with_a_secret_key_is_for_https(tmp_path: Path) -> None:
    found = settings_of(tmp_path, ALLOWED_HOSTS="reviews.example", SECRET_KEY="of our own")

    assert found["SECRET_KEY"] == "of our own"
    assert found["ALLOWED_HOSTS"] == ["reviews.example"]
    assert found["SECURE_SSL_REDIRECT"] is True
    assert found["SESSION_COOKIE_SECURE"] is True


def test_with_nothing_set_the_site_is_safe_and_local(tmp_path: Path) -> None:
    found = settings_of(tmp_path)

    assert found["DEBUG"] is False
    assert found["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost", "[::1]"]
    assert found["SECURE_SSL_REDIRECT"] is False
    assert found["DATABASES"]["default"]["NAME"] == str(tmp_path / "db.sqlite3")


def test_a_local_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    first, second = settings_of(tmp_path), settings_of(tmp_path)

    file = tmp_path / "secret_key"
    assert first["SECRET_KEY"] == second["SECRET_KEY"] == file.read_text()
    assert len(file.read_text()) >= 50
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [left.name for left in tmp_path.glob("secret_key*")] == ["secret_key"]


def test_debug_is_off_where_it_is_said_to_be_false(tmp_path: Path) -> None:
    assert settings_of(tmp_path, DEBUG="False")["DEBUG"] is False


def test_state_in_a_folder_of_any_name_has_its_database_there(tmp_path: Path) -> None:
    var_dir = tmp_path / "what? 100%20 #1"

    found = settings_of(var_dir)

    assert found["DATABASES"]["default"]["NAME"] == str(var_dir / "db.sqlite3")


def test_sqlite_is_in_wal_and_a_transaction_locks_it_before_it_writes(tmp_path: Path) -> None:
    done = run(tmp_path, PRAGMAS)

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"mode": "wal", "locked": True}


def test_redis_is_the_queue_where_it_is_named(tmp_path: Path) -> None:
    found = settings_of(tmp_path, REDIS_URL="redis://queue.example:6379/0")

    assert found["CELERY_BROKER_URL"] == "redis://queue.example:6379/0"
