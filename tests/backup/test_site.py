"""Backup, wipe, restore: the same rows and the same files, on both databases, under writes."""

import hashlib
import os
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from django.contrib.auth.models import User
from django.db import connection

from classifier.models import ModelVersion, Prediction
from tests.classifier.jobs.databases import in_use, postgresql, sqlite
from tests.site import ROOT, Site

pytestmark = pytest.mark.django_db

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

COPY_ALONE = """
import shutil
from django.conf import settings
from django.core.management import call_command
from reviewsite.backup import databases
databases.snapshot = lambda dump: shutil.copyfile(settings.VAR_DIR / "db.sqlite3", dump)
call_command("backup", {archive!r})
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> dict[str, str | None]:
    """What the environment says of the database."""
    if request.param == "sqlite":
        return {"DATABASE_URL": None}
    return {
        "DATABASE_URL": request.getfixturevalue("postgresql_url"),
        "SECRET_KEY": "a key of this test alone, which is long enough for anybody",
        "ALLOWED_HOSTS": "127.0.0.1",
    }


def database_of(site: Site) -> AbstractContextManager[None]:
    """In it, this process reads and writes the site's rows."""
    url = site.environment.get("DATABASE_URL")
    return in_use(postgresql(url) if url else sqlite(site.var_dir / "db.sqlite3"), tables=False)


def make_rows(site: Site) -> None:
    with database_of(site):
        User.objects.create_user("ann", password="no matter")
        version = ModelVersion.objects.create(name="tiny", revision="0123456789ab")
        Prediction.objects.bulk_create(
            Prediction(
                text=f"Review {i} é中",
                text_sha256=f"{i:064}",
                label="POSITIVE",
                score=0.9,
                positive_probability=0.9,
                rating=9,
                truncated=False,
                windows=1,
                model_version=version,
                source="api",
            )
            for i in range(500)
        )


@dataclass(frozen=True)
class Content:
    """What is in a site's database."""

    predictions: int
    digest: str
    """Of their texts and ratings."""
    users: int
    versions: list[str]


def content_of(site: Site) -> Content:
    with database_of(site):
        rows = list(Prediction.objects.order_by("pk").values_list("pk", "text", "rating"))
        return Content(
            predictions=len(rows),
            digest=hashlib.sha256(repr(rows).encode()).hexdigest(),
            users=User.objects.count(),
            versions=[str(version) for version in ModelVersion.objects.all()],
        )


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
    make_rows(site)
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
    after = content_of(site)

    assert "must be empty, but this one has" in refused(site, "restore", str(archive))
    assert content_of(site) == after

    # Over the site that has gone on: what came after the backup is gone, and all else as it was.
    site.manage("restore", str(archive), "--replace")
    restored = content_of(site)
    assert 500 <= restored.predictions <= after.predictions
    assert restored.predictions >= 500 + written_before - 1
    assert (restored.users, restored.versions) == (1, ["tiny@0123456789ab"])

    wipe(site, database)
    said = site.manage("restore", str(archive))
    assert "manage.py prepare" in said
    assert content_of(site) == restored
    assert {name: digests(var_dir / name) for name in files} == files
    assert not (var_dir / "secret_key").exists() or (
        (var_dir / "secret_key").read_text() != "the key that was"
    )
    assert not [path.name for path in var_dir.iterdir() if path.name.startswith(".restore")]
    # The database takes writes again, and its sequences go on.
    with database_of(site):
        User.objects.create_user("bob")


def test_a_backup_that_only_copies_the_database_is_seen_to_lose_rows(tmp_path: Path) -> None:
    var_dir, archive = tmp_path / "var", tmp_path / "site.tar"
    var_dir.mkdir()
    site = Site.prepared(var_dir)
    with database_of(site):
        connection.ensure_connection()  # while there is one, rows stay in the log beside the file
        make_rows(site)
        before = content_of(site)
        planted = COPY_ALONE.format(archive=str(archive))
        site.manage("shell", "--no-imports", "--command", planted)
    wipe(site, {"DATABASE_URL": None})
    site.manage("restore", str(archive))
    assert content_of(site) != before


def test_an_archive_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    var_dir, archive = tmp_path / "var", tmp_path / "site.tar"
    var_dir.mkdir()
    site = Site.prepared(var_dir)
    make_rows(site)
    before = content_of(site)
    with database_of(site), connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) "
            "VALUES ('classifier', '0999_later', '2030-01-01')"
        )
    site.manage("backup", str(archive))

    told = refused(site, "restore", str(archive), "--replace")

    assert "newer version: this one does not know classifier.0999_later" in told
    archive.write_bytes(archive.read_bytes()[:-20_000])
    assert "damaged" in refused(site, "restore", str(archive), "--replace")
    assert "there is none" in refused(site, "restore", str(tmp_path / "no.tar"), "--replace")
    assert content_of(site) == before


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
