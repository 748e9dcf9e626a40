import signal
import sqlite3
import time
from pathlib import Path

import pytest

from tests.site import STOP_SECONDS, Site, command

SECONDS = 60  # for a message to be worked off on a busy machine

KEEP_AN_OLD_TEXT_AND_ASK_FOR_THE_PURGE = """
from datetime import timedelta
from django.utils import timezone
from classifier.models import ModelVersion, Prediction
from classifier.tasks import purge_expired_texts
for days in (1, 40):
    Prediction.objects.create(
        text=f"Of {days} days ago", text_sha256="0" * 64, label="POSITIVE", score=0.9,
        positive_probability=0.9, rating=9, truncated=False, windows=1,
        model_version=ModelVersion.objects.get_or_create(name="tiny", revision="1")[0],
        source=Prediction.Source.API, created_at=timezone.now() - timedelta(days=days),
    )
purge_expired_texts.delay()
"""


@pytest.fixture(params=["files", "redis"])
def queue(request: pytest.FixtureRequest) -> dict[str, str]:
    """What the environment says of the queue."""
    return {} if request.param == "files" else {"REDIS_URL": request.getfixturevalue("redis_url")}


def test_beat_purges_expired_texts_and_stops_when_told(
    queue: dict[str, str], tmp_path: Path
) -> None:
    site = Site.prepared(tmp_path, TEXT_RETENTION_DAYS="30", **queue)
    log = tmp_path / "beat.log"
    with site.running(command("beat"), log=log) as beat:
        site.manage("shell", "--no-imports", "--command", KEEP_AN_OLD_TEXT_AND_ASK_FOR_THE_PURGE)
        deadline = time.monotonic() + SECONDS
        while "" not in texts(site) and time.monotonic() < deadline and beat.poll() is None:
            time.sleep(0.1)
        assert texts(site) == {"", "Of 1 days ago"}, log.read_text()
        while len(signs(site)) < 2 and time.monotonic() < deadline and beat.poll() is None:
            time.sleep(0.1)
        (name,) = signs(site) - {"schedule"}  # periodic work has left its mark, too
        assert name.startswith("beat@")

        beat.send_signal(signal.SIGTERM)
        started = time.monotonic()
        assert beat.wait(timeout=STOP_SECONDS) == 0
        assert time.monotonic() - started < 10

    assert signs(site) == {"schedule"}
    said = log.read_text()
    assert "Purged the texts of 1 predictions" in said
    for alarm in ("Traceback", "WARNING", "ERROR", "Warning:"):
        assert alarm not in said
    assert not [*tmp_path.glob("queue/*")]


def texts(site: Site) -> set[str]:
    return _column(site, "SELECT text FROM classifier_prediction")


def signs(site: Site) -> set[str]:
    """The names of the workers that gave a sign of life."""
    return _column(site, "SELECT name FROM classifier_worker")


def _column(site: Site, query: str) -> set[str]:
    connection = sqlite3.connect(site.var_dir / "db.sqlite3", timeout=20)
    try:
        return {value for (value,) in connection.execute(query)}
    finally:
        connection.close()
