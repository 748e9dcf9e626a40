"""Fixtures that all tests share; no test needs a network."""

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.utils import translation
from pytest_django import Settings

# Tiny matrices on several threads are slower than on one, and tests run beside other work.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

from filelock import FileLock
from hypothesis import settings as hypothesis_settings

from classifier.predictor import holder
from classifier.starter import installer
from reviewsite import catalogue
from tests import tiny
from tests.site import Site

if not all(map(catalogue.is_compiled, catalogue.LANGUAGES)):
    catalogue.compile_all()

# How long an example takes depends on what else the machine does.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    """A page that was asked for in Russian leaves that to the thread."""
    yield
    translation.deactivate()


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
def moods_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny classifier of three labels that are no sentiment."""
    directory = tmp_path_factory.mktemp("models") / "moods"
    return tiny.write_classifier(directory, labels=("anger", "joy", "calm"))


@pytest.fixture(scope="session")
def pairs_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny classifier of pairs of texts, no or yes, as its metrics.json says."""
    directory = tmp_path_factory.mktemp("models") / "pairs"
    tiny.write_classifier(directory, labels=("no", "yes"))
    (directory / "metrics.json").write_text('{"text_pair": true}')
    return directory


@contextmanager
def served(model_dir: Path, settings: Settings) -> Iterator[None]:
    """The site of this process serves a model, and forgets it afterwards."""
    settings.CLASSIFIER_MODEL = str(model_dir)
    holder.reset()
    yield
    holder.reset()


@pytest.fixture
def moods_model(moods_model_dir: Path, settings: Settings) -> Iterator[Path]:
    """The site of this test serves the classifier of three labels."""
    with served(moods_model_dir, settings):
        holder.get()
        yield moods_model_dir


@pytest.fixture
def pairs_model(pairs_model_dir: Path, settings: Settings) -> Iterator[Path]:
    """The site of this test serves the classifier of pairs."""
    with served(pairs_model_dir, settings):
        holder.get()
        yield pairs_model_dir


@pytest.fixture(scope="session")
def starter_models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with the bundled starter.

    All processes of a session share it: to install it takes each of them many seconds.
    """
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with FileLock(folder / "starter.lock"):
        return installer.install(folder / "starter").parent


@pytest.fixture(scope="session")
def tiny_base_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder without a head, to fine-tune."""
    return tiny.write_base_model(tmp_path_factory.mktemp("models") / "tiny-base")


@pytest.fixture
def served_model(tiny_model_dir: Path, settings: Settings) -> Iterator[Path]:
    """The site of this test serves the tiny classifier."""
    with served(tiny_model_dir, settings):
        yield tiny_model_dir


@pytest.fixture
def served_graph(exported_model_dir: Path, settings: Settings) -> Iterator[Path]:
    """The site of this test serves the tiny classifier's graph."""
    with served(exported_model_dir, settings):
        yield exported_model_dir


@pytest.fixture
def starred_model(starred_model_dir: Path, settings: Settings) -> Iterator[Path]:
    """The site of this test serves the tiny classifier with stars."""
    with served(starred_model_dir, settings):
        yield starred_model_dir


@pytest.fixture
def no_model(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """The site of this test has no model; gives the path where it looks for one."""
    directory = tmp_path / "no-such-model"
    with served(directory, settings):
        yield directory


@pytest.fixture(scope="session")
def site(exported_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The real site in processes of its own: gunicorn, SQLite in a file, the tiny model.

    It serves the graph, as sites do: a process that imports torch takes seconds more to start.
    """
    var_dir = tmp_path_factory.mktemp("site")
    with Site.started(var_dir, CLASSIFIER_MODEL=str(exported_model_dir)) as running:
        yield running


# The longest first; the browser's together, for each process starts one while it has such tests.
LONG = (
    "tests/training/learning/test_distribution",
    "tests/training/test_tracking",
    "tests/security/test_secrets",
    "tests/browser/test_training",
    "tests/browser/test_loop",
    "tests/browser",
    "tests/services/test_training_worker",
    "tests/services/test_bulk_worker",
    "tests/services",
    "tests/training/finetuning",
    "tests/training/jobs",
    "tests/training/test_checkpoints",
    "tests/training/pretraining/test_run",
    "tests/docs",
    "tests/security",
    "tests/classifier/test_rate_file",
    "tests/training",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that no process is left alone with one at the end."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    turns = (turn for turn, start in enumerate(LONG) if item.nodeid.startswith(start))
    return next(turns, len(LONG))


def pytest_collection_finish() -> None:
    """What has been imported stays: Trainer collects garbage often, and need not go through it."""
    gc.collect()
    gc.freeze()
