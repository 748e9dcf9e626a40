"""Backup, wipe, restore: the same rows and the same files, on both databases, under writes."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.gates import missing
from tests.site import ROOT, Site

COUNT_AND_DIGEST = """
import hashlib
from classifier.models import Prediction, ModelVersion
from django.contrib.auth.models import User
rows = list(Prediction.objects.order_by("pk").values_list("pk", "text", "rating"))
print(len(rows), hashlib.sha256(repr(rows).encode()).hexdigest(), User.objects.count(),
      [str(each) for each in ModelVersion.objects.all()])
"""
MAKE_ROWS = """
from classifier.models import ModelVersion, Prediction
from django.contrib.auth.models import User
User.objects.create_user("ann", password="no matter")
version = ModelVersion.objects.create(name="tiny", revision="0123456789ab")
Prediction.objects.bulk_create(
    Prediction(text=f"Review {i} \\u00e9\\u4e2d", text_sha256=f"{i:064}", label="POSITIVE",
               score=0.9, positive_probability=0.9, rating=9, truncated=False, windows=1,
               model_version=version, source="api")
    for i in range(500))
"""
WRITE_UNTIL_KILLED = """
import itertools
from classifier.models import ModelVersion, Prediction
version = ModelVersion.objects.get()
for i in itertools.count():
    Prediction.objects.create(
        text=f"Meanwhile {i}", text_sha256=f"{i:064}", label="POSITIVE", score=0.9,
        positive_probability=0.9, rating=9, truncated=False, windows=1, model_version=version,
        source="api")
    print(i, flush=True)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[dict[str, str | None]]:
    """What the environment says of an empty database."""
    if request.param == "sqlite":
        yield {"DATABASE_URL": None}
        return
    server = os.environ.get("TEST_DATABASE_URL") or missing(
        "SERVICES", "TEST_DATABASE_URL is not set."
    )
    name = f"backup_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
        try:
            yield {
                "DATABASE_URL": f"{server.rpartition('/')[0]}/{name}",
                "SECRET_KEY": "a key of this test alone, which is long enough for anybody",
                "ALLOWED_HOSTS": "127.0.0.1",
            }
        finally:
            admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def shell(site: Site, code: str) -> str:
    return site.manage("shell", "--no-imports", "--command", code).strip()


def refused(site: Site, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=site.environment,
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stderr


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def wipe(site: Site, database: dict[str, str | None]) -> None:
    """As a new machine: an empty VAR_DIR and an empty database."""
    subprocess.run(["rm", "-rf", *map(str, site.var_dir.iterdir())], check=True)
    if url := database["DATABASE_URL"]:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def test_a_site_comes_back_as_it_was(database: dict[str, str | None], tmp_path: Path) -> None:
    var_dir, archive = tmp_path / "var", tmp_path / "site.tar"
    var_dir.mkdir()
    site = Site.prepared(var_dir, **database)
    shell(site, MAKE_ROWS)
    for name in ("models/versions/tiny-0123456789ab/model.safetensors", "runs/one/log.txt",
                 "pseudo/texts.jsonl", "models/.draft/half"):  # fmt: skip
        (var_dir / name).parent.mkdir(parents=True, exist_ok=True)
        (var_dir / name).write_bytes(os.urandom(3_000_000))
    (var_dir / "secret_key").write_text("the key that was")
    files = {name: digests(var_dir / name) for name in ("models", "runs", "pseudo")}
    assert files["models"].pop(".draft/half")

    # While somebody writes: it goes on, and the archive is one moment.
    writer = subprocess.Popen(
        [sys.executable, "manage.py", "shell", "--no-imports", "--command", WRITE_UNTIL_KILLED],
        cwd=ROOT, env=site.environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert writer.stdout
        assert writer.stdout.readline() == "0\n"
        said = site.manage("backup", str(archive))
        written_before = int(said and writer.stdout.readline())
        assert writer.poll() is None
    finally:
        writer.kill()
        writer.communicate()
    assert ": 4 files, " in said  # the draft is none of them
    after = shell(site, COUNT_AND_DIGEST)

    assert "must be empty, but this one has" in refused(site, "restore", str(archive))
    assert shell(site, COUNT_AND_DIGEST) == after

    # Over the site that has gone on: what came after the backup is gone, and all else as it was.
    site.manage("restore", str(archive), "--replace")
    restored = shell(site, COUNT_AND_DIGEST)
    rows = int(restored.split()[0])
    assert 500 <= rows <= int(after.split()[0])
    assert rows >= 500 + written_before - 1
    assert restored.split()[2:] == ["1", "['tiny@0123456789ab']"]

    wipe(site, database)
    said = site.manage("restore", str(archive))
    assert "manage.py prepare" in said
    assert shell(site, COUNT_AND_DIGEST) == restored
    assert {name: digests(var_dir / name) for name in files} == files
    assert not (var_dir / "secret_key").exists() or (
        (var_dir / "secret_key").read_text() != "the key that was"
    )
    assert not [path.name for path in var_dir.iterdir() if path.name.startswith(".restore")]
    # The database takes writes again, and its sequences go on.
    shell(site, "from django.contrib.auth.models import User; User.objects.create_user('bob')")


def test_an_archive_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    var_dir, archive = tmp_path / "var", tmp_path / "site.tar"
    var_dir.mkdir()
    site = Site.prepared(var_dir)
    shell(site, MAKE_ROWS)
    newer = "from django.db import connection\n" + (
        'connection.cursor().execute("INSERT INTO django_migrations (app, name, applied) '
        "VALUES ('classifier', '0999_later', '2030-01-01')\")"
    )
    before = shell(site, COUNT_AND_DIGEST)
    shell(site, newer)
    site.manage("backup", str(archive))

    told = refused(site, "restore", str(archive), "--replace")

    assert "newer version: this one does not know classifier.0999_later" in told
    archive.write_bytes(archive.read_bytes()[:-20_000])
    assert "damaged" in refused(site, "restore", str(archive), "--replace")
    assert "there is none" in refused(site, "restore", str(tmp_path / "no.tar"), "--replace")
    assert shell(site, COUNT_AND_DIGEST) == before


def test_the_secret_key_comes_along_only_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir()
    site = Site.prepared(tmp_path / "var", SECRET_KEY=None)
    with_key, without = tmp_path / "with.tar", tmp_path / "without.tar"
    site.manage("backup", str(without))
    key = (site.var_dir / "secret_key").read_text()
    assert key.encode() not in without.read_bytes()
    site.manage("backup", str(with_key), "--secret-key")

    (site.var_dir / "secret_key").write_text("another")
    site.manage("restore", str(with_key))
    assert (site.var_dir / "secret_key").read_text() == "another"
    assert "no secret key" in refused(site, "restore", str(without), "--secret-key")
    site.manage("restore", str(with_key), "--secret-key")
    assert (site.var_dir / "secret_key").read_text() == key
    assert (site.var_dir / "secret_key").stat().st_mode & 0o077 == 0


def test_an_archive_inside_what_it_holds_is_refused(tmp_path: Path) -> None:
    site = Site.prepared(tmp_path)
    (tmp_path / "runs").mkdir()

    assert "must not lie in" in refused(site, "backup", str(tmp_path / "runs" / "site.tar"))
