"""A database of PostgreSQL beside the one of the tests."""

import os

import pytest

from tests.gates import missing


@pytest.fixture
def postgresql_url() -> str:
    """The server's own database: it is asked about the server, and no table is made."""
    return os.environ.get("TEST_DATABASE_URL") or missing(
        "SERVICES", "TEST_DATABASE_URL is not set."
    )
