import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker, Settings

from tests.classifier.jobs.databases import in_use, sqlite
from tests.training import tiny_run


@pytest.fixture
def var_dir(
    tmp_path: Path,
    tiny_base_dir: Path,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Path]:
    """A site's folder that this process and those it starts share: database, data, base model."""
    monkeypatch.setenv("VAR_DIR", str(tmp_path))
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "reviewsite.settings")
    monkeypatch.setenv("JOB_HEARTBEAT_SECONDS", "0.2")
    assert "DATABASE_URL" not in os.environ
    settings.JOB_HEARTBEAT_SECONDS = 0.2
    settings.VAR_DIR = tmp_path
    settings.MODELS_DIR = tmp_path / "models"
    settings.RUNS_DIR = tmp_path / "runs"
    settings.DATASETS_DIR = tmp_path / "datasets"
    tiny_run.write_site(tmp_path, tiny_base_dir)
    with django_db_blocker.unblock(), in_use(sqlite(tmp_path / "db.sqlite3")):
        yield tmp_path
