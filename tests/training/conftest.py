from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without pictures: those take a third of a tiny run, and have tests of their own."""

    def draw_evaluation(evaluation: Any, directory: Path) -> dict[str, Path]:
        directory.mkdir(parents=True, exist_ok=True)
        return {}

    def draw_loss(history: Sequence[Any], path: Path) -> Path:
        path.touch()
        return path

    monkeypatch.setattr("training.reporting.report.draw_evaluation", draw_evaluation)
    monkeypatch.setattr("training.reporting.report.draw_loss", draw_loss)
