"""Fixtures that all tests share; no test needs a network."""

import gc
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from django.db import connections
from django.utils import translation
from pytest_django import DjangoDbBlocker, Settings

# Tiny matrices on several threads are slower than on one, and tests run beside other work.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

from filelock import FileLock
from hypothesis import settings as hypothesis_settings

from classifier.predictor import holder
from classifier.starter import installer
from reviewsite import catalogue
from reviewsite.garbage import collect_seldom
from tests import tiny
from tests.classifier.jobs.databases import in_use, postgresql
from tests.postgresql import copy_of, shared_template
from tests.shared import SHARED, made_once
from tests.site import Site, migrated_file

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


@pytest.fixture(scope="session", autouse=True)
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of all processes of a session, for what takes each of them seconds to make."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    os.environ[SHARED] = str(folder)
    yield folder
    del os.environ[SHARED]


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    shared_folder: Path, django_db_modify_db_settings: None
) -> Iterator[None]:
    """Tables are there already in the memory where Django makes them: it has none left to make."""
    memory = connections["default"].creation._get_test_db_name()  # type: ignore[attr-defined]
    with (
        closing(sqlite3.connect(memory, uri=True)) as tables,
        closing(sqlite3.connect(migrated_file())) as made,
    ):
        made.backup(tables)
        yield


@pytest.fixture(scope="session")
def postgresql_with_tables(
    shared_folder: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[str]:
    """The name of a database to be copied."""

    def make_tables(url: str) -> None:
        with django_db_blocker.unblock(), in_use(postgresql(url)):
            pass

    with shared_template(shared_folder, make_tables) as name:
        yield name


@pytest.fixture
def postgresql_url(postgresql_with_tables: str) -> Iterator[str]:
    """A database of this test's own, with its tables, on the server of TEST_DATABASE_URL."""
    with copy_of(postgresql_with_tables) as url:
        yield url


@pytest.fixture(scope="session")
def models_folder(shared_folder: Path) -> Path:
    """Where the models lie that tests share."""
    folder = shared_folder / "models"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def tiny_model_dir(models_folder: Path) -> Path:
    """A trained tiny sentiment classifier, as save_pretrained writes it."""
    return made_once(models_folder / "tiny", tiny.write_classifier)


@pytest.fixture(scope="session")
def exported_model_dir(tiny_model_dir: Path, models_folder: Path) -> Path:
    """The same with its int8 graph, which serves without torch."""

    def make(directory: Path) -> None:
        from classifier.onnx_export import export_model

        shutil.copytree(tiny_model_dir, directory)
        export_model(directory)

    return made_once(models_folder / "exported", make)


@pytest.fixture(scope="session")
def starred_model_dir(tiny_model_dir: Path, models_folder: Path) -> Path:
    """The tiny classifier with a star head, by which it is rated, and its int8 graph."""

    def make(directory: Path) -> None:
        from classifier.onnx_export import export_model

        shutil.copytree(tiny_model_dir, directory)
        tiny.add_stars(directory)
        export_model(directory)

    return made_once(models_folder / "starred", make)


@pytest.fixture(scope="session")
def moods_model_dir(models_folder: Path) -> Path:
    """A tiny classifier of three labels that are no sentiment."""
    labels = ("anger", "joy", "calm")
    return made_once(
        models_folder / "moods", lambda directory: tiny.write_classifier(directory, labels=labels)
    )


@pytest.fixture(scope="session")
def pairs_model_dir(models_folder: Path) -> Path:
    """A tiny classifier of pairs of texts, no or yes, as its metrics.json says."""

    def make(directory: Path) -> None:
        tiny.write_classifier(directory, labels=("no", "yes"))
        (directory / "metrics.json").write_text('{"text_pair": true}')

    return made_once(models_folder / "pairs", make)


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
def starter_models_dir(shared_folder: Path) -> Path:
    """A folder of models with the bundled starter; to install it takes many seconds."""
    with FileLock(shared_folder / "starter.lock"):
        return installer.install(shared_folder / "starter").parent


@pytest.fixture(scope="session")
def tiny_base_dir(models_folder: Path) -> Path:
    """A tiny encoder without a head, to fine-tune."""
    return made_once(models_folder / "tiny-base", tiny.write_base_model)


@pytest.fixture(scope="session")
def empty_mlflow_store(shared_folder: Path) -> Path:
    """An MLflow database without runs, to be copied: making one takes many seconds."""

    def make(directory: Path) -> None:
        from training.tracking import tracked_run

        uri = f"sqlite:///{directory}/mlflow.db"
        with tracked_run("first", {}, directory / "runs" / "first", uri, "reviews") as tracker:
            tracker.metrics({"loss": 1.0}, step=1)
        with closing(sqlite3.connect(directory / "mlflow.db")) as store, store:
            for table in ("metrics", "latest_metrics", "params", "tags", "runs", "experiments"):
                store.execute(f"DELETE FROM {table}")

    return made_once(shared_folder / "mlflow", make) / "mlflow.db"


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
    "tests/services/test_training_worker",
    "tests/training/test_tracking",
    "tests/security/test_secrets",
    "tests/browser/test_training",
    "tests/browser/test_loop",
    "tests/browser",
    "tests/docs/test_run",
    "tests/services/test_rate_limit",
    "tests/services/test_two_hosts",
    "tests/services/test_bulk_worker",
    "tests/services",
    "tests/backup/test_site",
    "tests/training/finetuning",
    "tests/training/jobs",
    "tests/training/hub/test_reach",
    "tests/training/test_checkpoints",
    "tests/training/pretraining/test_run",
    "tests/docs",
    "tests/security",
    "tests/classifier/test_rate_file",
    "tests/training",
)


def pytest_collection() -> None:
    """Modules and tests are no garbage; it would be looked for among them again and again."""
    gc.disable()


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
    collect_seldom()
    gc.enable()
