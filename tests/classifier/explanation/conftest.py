from pathlib import Path

import pytest

from classifier.engines import TORCH
from classifier.predictor import Predictor, load_predictor, open_predictor


@pytest.fixture(scope="package")
def tiny(tiny_model_dir: Path) -> Predictor:
    return load_predictor(tiny_model_dir, models_dir=tiny_model_dir.parent)


@pytest.fixture(scope="package")
def starter(starter_models_dir: Path) -> Predictor:
    """The bundled model, as it is served."""
    return load_predictor("starter", models_dir=starter_models_dir)


@pytest.fixture(scope="package")
def starter_weights(starter: Predictor) -> Predictor:
    """The same on the torch engine."""
    return open_predictor(starter.artefact, engine=TORCH)
