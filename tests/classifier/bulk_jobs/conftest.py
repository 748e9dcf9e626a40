"""A site with the tiny model, and jobs in it."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pytest_django import Settings

from classifier.bulk_jobs import chunk_claims, helpers, splitting
from classifier.bulk_jobs.submission import submit
from classifier.models import BulkJob, Prediction
from tests import reviews

Submit = Callable[..., BulkJob]


@pytest.fixture(autouse=True)
def quiet(settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No thread of a heart comes to the database in memory between, and calls go nowhere."""
    settings.JOB_HEARTBEAT_SECONDS = 60.0
    monkeypatch.setattr(helpers, "wake", lambda task, model, pk: True)
    assert (splitting.BATCH_CHUNKS, chunk_claims.MAX_CHUNK_LOSSES) == (16, 3)


@pytest.fixture
def submitted(db: None) -> Submit:
    """Queue a file of so many rows."""

    def make(count: int = 600, ending: str = ".csv", **options: object) -> BulkJob:
        given = {"text_column": "text", "keep_texts": False, "source": Prediction.Source.FORM}
        content = reviews.as_bytes(reviews.rows(count), ending)
        return submit(BytesIO(content), f"reviews{ending}", **(given | options))  # type: ignore[arg-type]

    return make
