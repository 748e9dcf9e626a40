from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from classifier.predictor import holder
from tests import tiny


@pytest.fixture(scope="session")
def other_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another tiny classifier, which says other things of the same texts."""
    return tiny.write_classifier(tmp_path_factory.mktemp("models") / "other", seed=1)


@pytest.fixture(autouse=True)
def models_dir(served_model: Path, settings: Any, tmp_path: Path) -> Iterator[Path]:
    """The site's own folder of models, empty; it serves the tiny one from elsewhere."""
    settings.MODELS_DIR = tmp_path / "models"
    settings.GATE_ROWS = 0  # no test but those of the gate has verdicts to judge by
    holder.reset()
    yield settings.MODELS_DIR
    holder.reset()
