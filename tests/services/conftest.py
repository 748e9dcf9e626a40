"""PostgreSQL and Redis of this machine; each test gets a database that is empty."""

import os
import uuid
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis

from tests.gates import missing


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """A database of this test's own on the server of TEST_DATABASE_URL."""
    server = _url("TEST_DATABASE_URL")
    name = f"reviewsite_test_{uuid.uuid4().hex}"
    try:
        connection = psycopg.connect(server, autocommit=True, connect_timeout=5)
    except psycopg.OperationalError as error:
        missing("SERVICES", f"PostgreSQL at TEST_DATABASE_URL does not answer: {error}.")
    with connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def redis_url() -> Iterator[str]:
    """The database of TEST_REDIS_URL, emptied before and after."""
    url = _url("TEST_REDIS_URL")
    with redis.Redis.from_url(url, socket_connect_timeout=5) as client:
        try:
            client.flushdb()
        except redis.ConnectionError as error:
            missing("SERVICES", f"Redis at TEST_REDIS_URL does not answer: {error}.")
        yield url
        client.flushdb()


def _url(name: str) -> str:
    # No default: the tests empty what it names.
    return os.environ.get(name) or missing("SERVICES", f"{name} is not set.")
