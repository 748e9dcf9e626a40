"""What belongs to a site: its database, models, runs and pseudo-labelled texts."""

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from classifier.models import Worker
from reviewsite.backup import databases
from reviewsite.backup.archive import (
    ArchiveWriter,
    BackupError,
    Unpacked,
    require_room,
    sync_folder,
    written_whole,
)

SECRET_KEY = "secret_key"  # noqa: S105  the name of a file
FROM_MIGRATIONS = (ContentType, Permission, Group, Worker)
"""What a site has rows of before anybody has used it."""


@dataclass(frozen=True)
class Backup:
    file: Path
    files: int
    size: int
    """Bytes of the archive."""
    gone: tuple[str, ...] = ()
    """Files that were deleted before their turn came."""


def folders() -> dict[str, Path]:
    """The folders of a site by their names in an archive."""
    return {
        "models": Path(settings.MODELS_DIR),
        "runs": Path(settings.RUNS_DIR),
        "pseudo": Path(settings.PSEUDO_DIR),
    }


def back_up(file: Path, *, secret_key: bool = False) -> Backup:
    """Write the whole site to an archive while it runs.

    The database comes first: files of models never change and are there before the row that names
    them, so each row of the snapshot finds its files.

    Args:
        secret_key: with the key that signs sessions, where this machine has made its own.

    Raises:
        BackupError: it cannot be done; there is then no archive.
        OSError: a file cannot be read or written.
    """
    file = file.absolute()
    for name, folder in folders().items():
        if file.is_relative_to(folder.absolute()):
            raise BackupError(
                f"The archive must not lie in what it holds, but {file} is in {name}. Give "
                "another folder."
            )
    vendor = str(connection.vendor)
    gone: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix=".backup-", dir=file.parent) as scratch,
        written_whole(file) as stream,
    ):
        facts = {
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "django": django.get_version(),
            "vendor": vendor,
            "migrations": databases.applied_migrations(),
        }
        dump = Path(scratch) / databases.NAMES[vendor]
        databases.snapshot(dump)
        archive = ArchiveWriter(stream)
        archive.add(dump.name, dump, mode=0o600)
        dump.unlink()
        for name, path in _files():
            try:
                archive.add(name, path)
            except FileNotFoundError:  # a checkpoint that was thinned out, a folder renamed
                gone.append(name)
        key = Path(settings.VAR_DIR) / SECRET_KEY
        if secret_key and key.is_file():
            archive.add(SECRET_KEY, key, mode=0o600)
        archive.finish(facts)
        count = archive.count
    return Backup(file, count, file.stat().st_size, tuple(gone))


def restore(file: Path, *, replace: bool = False, secret_key: bool = False) -> Backup:
    """Put the site that an archive holds in the place of this one.

    All of the archive is unpacked beside the site and verified before anything is touched.

    Args:
        replace: also where this site has content, which is then lost.
        secret_key: take over the key in the archive, too.

    Raises:
        BackupError: the archive is damaged or does not fit, or this site has content.
        OSError: a file cannot be read or written.
    """
    if not replace and (content := site_content()):
        raise BackupError(
            f"A site that is restored must be empty, but this one has {', '.join(content)}. Give "
            "another VAR_DIR and database, or --replace, which deletes what is there."
        )
    if not file.is_file():
        raise BackupError(f"{file} must be an archive of manage.py backup, but there is none.")
    var_dir = Path(settings.VAR_DIR)
    var_dir.mkdir(parents=True, exist_ok=True)
    require_room(var_dir, file.stat().st_size)
    dump = databases.NAMES[str(connection.vendor)]
    allowed = frozenset({*databases.NAMES.values(), *folders(), SECRET_KEY})
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=var_dir) as scratch:
        unpacked = Unpacked.of(file, Path(scratch), allowed=allowed)
        _require_fit(unpacked, dump)
        databases.replace_by(unpacked.folder / dump)
        for name, folder in folders().items():
            _swap(unpacked.folder / name, folder)
        key = unpacked.folder / SECRET_KEY
        if secret_key:
            if not key.is_file():
                raise BackupError(
                    "The site is restored, but the archive has no secret key: it was made without "
                    "--secret-key, or on a site whose key is in the environment. Set SECRET_KEY."
                )
            key.chmod(0o600)
            key.replace(var_dir / SECRET_KEY)
        sync_folder(var_dir)
    return Backup(file, len(unpacked.manifest["files"]), file.stat().st_size)


def site_content() -> list[str]:
    """What this site has that nobody wants to lose."""
    tables = set(connection.introspection.table_names())
    content = [
        str(model._meta.verbose_name_plural)
        for model in apps.get_models()
        if model not in FROM_MIGRATIONS
        and model._meta.db_table in tables
        and model._base_manager.exists()
    ]
    for name, folder in folders().items():
        held = folder.iterdir() if folder.is_dir() else ()
        if any(not _is_starter(each) and not each.name.startswith(".") for each in held):
            content.append(f"files in {name}")
    return content


def _is_starter(path: Path) -> bool:
    return path.name.startswith("starter-") and path.parent == Path(settings.MODELS_DIR)


def _files() -> Iterator[tuple[str, Path]]:
    """Names in the archive and files; those that begin with a dot are somebody's drafts."""
    for name, folder in folders().items():
        for root, inner, files in os.walk(folder):
            inner[:] = sorted(each for each in inner if not each.startswith("."))
            for each in sorted(files):
                path = Path(root, each)
                if not each.startswith(".") and path.is_file() and not path.is_symlink():
                    yield f"{name}/{path.relative_to(folder).as_posix()}", path


def _require_fit(unpacked: Unpacked, dump: str) -> None:
    manifest: dict[str, Any] = unpacked.manifest
    if not (unpacked.folder / dump).is_file():
        raise BackupError(
            f"A backup of {manifest.get('vendor')} goes back into the same, but this site's "
            f"database is {connection.vendor}. Set DATABASE_URL as it was there."
        )
    if newer := databases.unknown_migrations(list(manifest.get("migrations", []))):
        raise BackupError(
            f"The backup is of a newer version: this one does not know {', '.join(newer[:3])}. "
            "Restore it with that version."
        )


def _swap(new: Path, place: Path) -> None:
    """Put a folder where another is, which goes; an empty one where the archive has none."""
    new.mkdir(exist_ok=True)
    new.chmod(0o755)
    old = new.with_name(f"{new.name}.old")
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)
