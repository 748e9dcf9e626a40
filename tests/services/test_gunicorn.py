import logging
import shutil
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from classifier import predictor
from reviewsite import gunicorn


def test_a_worker_without_a_model_loads_it_unasked_once_it_is_there(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    no_model: Path,
    tiny_model_dir: Path,
) -> None:
    monkeypatch.setattr(predictor, "RETRY_SECONDS", 0.1)
    # Its thread goes on after the test, and must not ask the database.
    monkeypatch.setattr(predictor, "active_version", lambda: None)
    monkeypatch.setattr(gunicorn, "FOLLOW_SECONDS", 3600)
    gunicorn.post_worker_init(SimpleNamespace(log=logging.getLogger("gunicorn.error")))
    assert "No model is served" in caplog.text

    copy = no_model.with_name("copy")
    shutil.copytree(tiny_model_dir, copy)
    copy.rename(no_model)
    deadline = time.monotonic() + 60
    while "Serving no-such-model@" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.05)
    assert predictor.holder.loaded
