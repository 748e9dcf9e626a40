"""Fixtures that all tests share; no test needs a network."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

# Tiny matrices on several threads are slower than on one, and tests run beside other work.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

from hypothesis import settings as hypothesis_settings

from classifier.predictor import holder
from tests import tiny
from tests.site import Site

# How long an example takes depends on what else the machine does.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained tiny sentiment classifier, as save_pretrained writes it."""
    return tiny.write_classifier(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def exported_model_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with its int8 graph, which serves without torch."""
    from classifier.onnx_export import export_model

    directory = tmp_path_factory.mktemp("models") / "exported"
    shutil.copytree(tiny_model_dir, directory)
    export_model(directory)
    return directory


@pytest.fixture(scope="session")
def starred_model_dir(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny classifier with a star head, by which it is rated, and its int8 graph."""
    from classifier.onnx_export import export_model

    directory = tmp_path_factory.mktemp("models") / "starred"
    shutil.copytree(tiny_model_dir, directory)
    tiny.add_stars(directory)
    export_model(directory)
    return directory


@pytest.fixture(scope="session")
def tiny_base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder without a head, to fine-tune."""
    return tiny.write_base_model(tmp_path_factory.mktemp("models") / "tiny-base")


@pytest.fixture
def served_model(tiny_model_dir: Path, settings: Settings) -> Iterator[Path]:
    """The site of this test serves the tiny classifier."""
    settings.CLASSIFIER_MODEL = str(tiny_model_dir)
    holder.reset()
    yield tiny_model_dir
    holder.reset()


@pytest.fixture
def starred_model(starred_model_dir: Path, settings: Settings) -> Iterator[Path]:
    """The site of this test serves the tiny classifier with stars."""
    settings.CLASSIFIER_MODEL = str(starred_model_dir)
    holder.reset()
    yield starred_model_dir
    holder.reset()


@pytest.fixture
def no_model(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """The site of this test has no model; gives the path where it looks for one."""
    directory = tmp_path / "no-such-model"
    settings.CLASSIFIER_MODEL = str(directory)
    holder.reset()
    yield directory
    holder.reset()


@pytest.fixture(scope="session")
def site(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The real site in processes of its own: gunicorn, SQLite in a file, the tiny model."""
    var_dir = tmp_path_factory.mktemp("site")
    with Site.started(var_dir, CLASSIFIER_MODEL=str(tiny_model_dir)) as running:
        yield running


# These wait longest, for processes that load a model.
LONG = ("tests/services", "tests/training/jobs", "tests/browser", "tests/classifier/test_rate_file")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that no process is left alone with one at the end."""
    items.sort(key=lambda item: not item.nodeid.startswith(LONG))
