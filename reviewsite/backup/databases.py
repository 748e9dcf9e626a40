"""A snapshot of the database while it is written to, and the way back, all or nothing."""

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

from django.db import connection
from django.db.migrations.loader import MigrationLoader

from reviewsite.backup.archive import PIECE, BackupError

NAMES = {"sqlite": "database.sqlite3", "postgresql": "database.dump"}
"""What the snapshot is called in an archive, by the vendor."""
LOCK_WAIT = "60s"  # that pg_dump waits for a migration to end


def snapshot(target: Path) -> None:
    """Write the database as it is at one moment; who writes meanwhile does not wait.

    Raises:
        BackupError: it cannot be had.
    """
    if connection.vendor == "sqlite":
        _snapshot_of_sqlite(target)
    else:
        _run([_program("pg_dump"), "--format=custom", "--no-owner", "--no-privileges",
              f"--lock-wait-timeout={LOCK_WAIT}", f"--file={target}"])  # fmt: skip


def replace_by(source: Path) -> None:
    """Put a snapshot in the place of all tables: the old ones stay if anything goes wrong.

    Raises:
        BackupError: it cannot be put there.
    """
    if connection.vendor == "sqlite":
        _restore_sqlite(source)
    else:
        _restore_postgresql(source)
    connection.close()


def applied_migrations() -> list[str]:
    """app.name of all that the database has had."""
    return sorted(f"{app}.{name}" for app, name in MigrationLoader(connection).applied_migrations)


def unknown_migrations(applied: list[str]) -> list[str]:
    """Those that this version of the code does not have."""
    loader = MigrationLoader(None)
    known = {f"{app}.{name}" for app, name in loader.disk_migrations}
    ours = tuple(f"{app}." for app in loader.migrated_apps)
    return [each for each in applied if each not in known and each.startswith(ours)]


def _snapshot_of_sqlite(target: Path) -> None:
    connection.ensure_connection()
    with closing(sqlite3.connect(target)) as copy:
        # In one step: the write-ahead log keeps this reader and the writers apart. In several,
        # each write of another process would make it start anew.
        connection.connection.backup(copy, pages=-1)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it


def _restore_sqlite(source: Path) -> None:
    with closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as snapshot:
        try:
            said = snapshot.execute("PRAGMA quick_check").fetchone()[0]
        except sqlite3.DatabaseError as error:
            said = str(error)
        if said != "ok":
            raise BackupError(
                f"The database in the backup must be sound, but SQLite says: {said}. Take another "
                "backup."
            )
        connection.ensure_connection()
        # A transaction of its own, which waits for those of others.
        snapshot.backup(connection.connection)


def _restore_postgresql(source: Path) -> None:
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
    quote = connection.ops.quote_name
    dropped = ", ".join(map(quote, sorted(tables)))
    before = f"BEGIN;\n{f'DROP TABLE {dropped} CASCADE;' if tables else ''}\n"
    connection.close()
    reader = subprocess.Popen(  # noqa: S603  found on the PATH, no shell
        [_program("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(source)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    writer = subprocess.Popen(  # noqa: S603
        [_program("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_environment(),
    )
    if reader.stdout is None or writer.stdin is None:  # for the types: both are pipes
        raise RuntimeError("no pipes")
    try:
        writer.stdin.write(before.encode())
        shutil.copyfileobj(reader.stdout, writer.stdin, PIECE)
        # Said by us, once all of it was read: a script that breaks off is rolled back.
        if reader.wait() == 0:
            writer.stdin.write(b"\nCOMMIT;\n")
    except BrokenPipeError:
        pass  # psql has refused something, and says what
    _, read_errors = reader.communicate()
    _, errors = writer.communicate()
    if reader.returncode or writer.returncode:
        # The reader's own only where the writer had nothing to refuse: else it lost its pipe.
        _refused("pg_restore", errors if writer.returncode else read_errors)


def _run(arguments: list[str]) -> None:
    done = subprocess.run(arguments, env=_environment(), capture_output=True)  # noqa: S603
    if done.returncode:
        _refused(Path(arguments[0]).name, done.stderr)


def _refused(program: str, said: bytes) -> NoReturn:
    told = " ".join(said.decode(errors="replace").split())[:500]
    raise BackupError(
        f"{program} must do this, but it says: {told}. Where it names versions, install the client "
        "programs of the server's version or a newer one."
    )


def _program(name: str) -> str:
    if found := shutil.which(name):
        return found
    raise BackupError(
        f"A backup of PostgreSQL takes its client programs, but {name} is not on the PATH. Install "
        "postgresql-client."
    )


def _environment() -> dict[str, str]:
    """For PostgreSQL's programs: the password is no argument, which every user could see."""
    settings: dict[str, Any] = connection.settings_dict
    told = {
        "PGHOST": settings["HOST"],
        "PGPORT": settings["PORT"],
        "PGUSER": settings["USER"],
        "PGPASSWORD": settings["PASSWORD"],
        "PGDATABASE": settings["NAME"],
        "PGCONNECT_TIMEOUT": "10",
    }
    options = settings.get("OPTIONS", {})
    told |= {
        f"PG{name.upper()}": options[name]
        for name in ("sslmode", "sslrootcert", "sslcert", "sslkey")
        if name in options
    }
    return os.environ | {name: str(value) for name, value in told.items() if value}
