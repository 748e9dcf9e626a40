"""A Redis of the test's own, which is empty."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import own_redis


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    """A Redis of this test's own, so that tests in several processes empty none but theirs."""
    with own_redis(tmp_path) as server:
        yield server.url
