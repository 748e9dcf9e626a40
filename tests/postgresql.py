"""Databases on the server of TEST_DATABASE_URL, which go away with the tests that need them."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from filelock import FileLock

from tests.gates import missing


@contextmanager
def shared_template(folder: Path, make_tables: Callable[[str], None]) -> Iterator[str]:
    """The name of a database with all tables, to be copied: making them takes seconds.

    The first of the processes that share `folder` makes it, and the last to leave drops it.

    Args:
        make_tables: given the URL of the empty database.
    """
    _server()  # else there is nothing to drop either
    name, users = folder / "postgresql-template", folder / "postgresql-template-users"
    lock, user = FileLock(f"{name}.lock"), users / str(os.getpid())
    users.mkdir(exist_ok=True)
    try:
        with lock:
            alone = not any(users.iterdir())
            user.touch()
            if alone:
                name.write_text(_new_name())
                _execute(f'CREATE DATABASE "{name.read_text()}"')
                make_tables(_url_of(name.read_text()))
        yield name.read_text()
    finally:
        with lock:
            user.unlink()
            if not any(users.iterdir()):
                _execute(f'DROP DATABASE "{name.read_text()}" WITH (FORCE)')


@contextmanager
def copy_of(template: str) -> Iterator[str]:
    """The URL of a database that begins as the one of this name is."""
    name = _new_name()
    _execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield _url_of(name)
    finally:
        _execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _new_name() -> str:
    return f"reviewsite_test_{uuid.uuid4().hex}"


def _execute(statement: str) -> None:
    try:
        connection = psycopg.connect(_server(), autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        missing("SERVICES", f"PostgreSQL at TEST_DATABASE_URL does not answer: {error}.")
    with connection:
        connection.execute(statement.encode())


def _url_of(name: str) -> str:
    return urlunsplit(urlsplit(_server())._replace(path=f"/{name}"))


def _server() -> str:
    # No default: databases are made and dropped on the server that it names.
    return os.environ.get("TEST_DATABASE_URL") or missing(
        "SERVICES", "TEST_DATABASE_URL is not set."
    )
