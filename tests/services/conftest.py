"""PostgreSQL of this machine, with no rows, and a Redis of the test's own, which is empty."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from pytest_django import DjangoDbBlocker

from tests.classifier.jobs.databases import in_use, postgresql
from tests.gates import missing
from tests.servers import own_redis


@pytest.fixture(scope="session")
def postgresql_with_tables(django_db_blocker: DjangoDbBlocker) -> Iterator[str]:
    """The name of a database to be copied: making its tables takes seconds."""
    with _database() as url:
        with django_db_blocker.unblock(), in_use(postgresql(url)):
            pass
        yield urlsplit(url).path.lstrip("/")


@pytest.fixture
def postgresql_url(postgresql_with_tables: str) -> Iterator[str]:
    """A database of this test's own, with its tables, on the server of TEST_DATABASE_URL."""
    with _database(f'TEMPLATE "{postgresql_with_tables}"') as url:
        yield url


@contextmanager
def _database(options: str = "") -> Iterator[str]:
    # No default: databases are made and dropped on the server that it names.
    server = os.environ.get("TEST_DATABASE_URL") or missing(
        "SERVICES", "TEST_DATABASE_URL is not set."
    )
    name = f"reviewsite_test_{uuid.uuid4().hex}"
    try:
        connection = psycopg.connect(server, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        missing("SERVICES", f"PostgreSQL at TEST_DATABASE_URL does not answer: {error}.")
    with connection:
        connection.execute(f'CREATE DATABASE "{name}" {options}')
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis of this test's own, so that tests in several processes empty none but theirs."""
    with own_redis(tmp_path) as server:
        yield server.url
