from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.classifier.jobs.databases import in_use, sqlite


@pytest.fixture
def sqlite_file(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """SQLite as the site has it: the one in memory locks differently between threads."""
    with django_db_blocker.unblock(), in_use(sqlite(tmp_path / "db.sqlite3")):
        yield
