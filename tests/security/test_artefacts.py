"""Models that mean harm are refused with a reason, run nothing and write nothing elsewhere."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from classifier.artefact import open_artefact
from classifier.exceptions import ModelNotReady
from classifier.files import store
from classifier.models import ModelVersion
from classifier.shared_models import fetch
from classifier.versions.activation import register
from tests.hub_stand_in import StandInHub
from tests.security.hostile import MEMBERS, OF_FILES, OF_REPOSITORIES, Canary, Files, archive
from tests.training.hub.facts import REPO
from training.checkpoints import last_good_checkpoint, seal
from training.hub import Hub, HubError, pull_model

pytestmark = pytest.mark.django_db


@pytest.fixture
def canary(tmp_path: Path) -> Canary:
    return Canary(tmp_path / "canary")


@pytest.fixture
def models(tmp_path: Path, settings: Settings) -> Path:
    settings.MODELS_DIR = tmp_path / "site" / "models"
    settings.MODELS_DIR.mkdir(parents=True)
    folder: Path = settings.MODELS_DIR
    return folder


@pytest.fixture(autouse=True)
def nothing_came_of_it(tmp_path: Path, models: Path, canary: Canary) -> Iterator[None]:
    yield
    assert not canary.sang()
    assert not (tmp_path / "outside.txt").exists()
    assert not (tmp_path / "site" / "outside.txt").exists()
    assert not ModelVersion.objects.exclude(status=ModelVersion.Status.SEEN).exists()


def written(folder: Path) -> list[Path]:
    """What lies there save locks."""
    return [path for path in folder.rglob("*") if path.suffix != ".lock"]


def armed(files: Files, canary: Canary) -> Files:
    """With all that code or pickles could be found in, should something ask for them."""
    return {
        **files,
        "evil.py": canary.code(),
        "modeling_evil.py": canary.code(),
        "pytorch_model.bin": canary.pickled(),
        "training_args.bin": canary.pickled(),
        "rng_state.pth": canary.pickled(),
    }


def refusal(door: Callable[[], Any]) -> str:
    """Why it was refused."""
    with pytest.raises((HubError, ModelNotReady)) as refused:
        door()
    assert str(refused.value).strip()
    return str(refused.value)


@pytest.mark.parametrize("name", [*OF_FILES, *OF_REPOSITORIES])
def test_a_repository_of_the_hub(
    name: str, stand_in: StandInHub, hub: Hub, files: Files, models: Path, canary: Canary
) -> None:
    change = (OF_FILES | OF_REPOSITORIES)[name]
    stand_in.put(REPO, change(armed(files, canary)))

    refusal(lambda: pull_model(REPO, models_dir=models, hub=hub))

    assert written(models) == []
    assert not any(path.endswith((".py", ".bin", ".pth")) for path in asked(stand_in))


def asked(stand_in: StandInHub) -> list[str]:
    return [request.path for request in stand_in.asked]


@pytest.mark.parametrize("name", OF_FILES)
def test_a_folder_of_models(name: str, files: Files, models: Path, canary: Canary) -> None:
    folder = models / "mine"
    folder.mkdir()
    for file, content in OF_FILES[name](armed(files, canary)).items():
        (folder / file).write_bytes(content)

    refusal(lambda: register("mine"))

    assert [path.name for path in models.iterdir()] == ["mine"]


@pytest.mark.parametrize("name", MEMBERS)
def test_an_archive_in_the_database(name: str, files: Files, models: Path) -> None:
    kept = store(archive(files, MEMBERS[name]), "mine.tar")
    ModelVersion.objects.create(name="mine", revision=revision(files, models), archive=kept)

    refusal(lambda: fetch("mine", models_dir=models))

    assert written(models) == []


def revision(files: Files, models: Path) -> str:
    """Of the good model, so that nothing else is a reason."""
    folder = models.parent / "good"
    folder.mkdir()
    for file, content in files.items():
        (folder / file).write_bytes(content)
    return open_artefact(folder, models_dir=models).revision()


@pytest.mark.parametrize("file", ["rng_state.pth", "optimizer.pt", "scheduler.pt"])
def test_a_checkpoint_that_somebody_changed(file: str, tmp_path: Path, canary: Canary) -> None:
    checkpoint = tmp_path / "run" / "checkpoint-8"
    checkpoint.mkdir(parents=True)
    (checkpoint / file).write_bytes(b"state")
    seal(checkpoint, best_step=None, processes=1)
    assert last_good_checkpoint(tmp_path / "run") == checkpoint
    (checkpoint / file).write_bytes(canary.pickled())

    assert last_good_checkpoint(tmp_path / "run") is None
    assert not checkpoint.exists()


@pytest.mark.parametrize("file", ["rng_state.pth", "optimizer.pt"])
def test_a_checkpoint_that_somebody_made(file: str, tmp_path: Path, canary: Canary) -> None:
    """As the Trainer loads what passes: of whoever may write manifests nothing runs either."""
    import torch
    from transformers.trainer_pt_utils import safe_globals

    (tmp_path / file).write_bytes(canary.pickled())
    with safe_globals(), pytest.raises(pickle.UnpicklingError):
        torch.load(tmp_path / file, weights_only=True)


def test_there_are_forty_of_them() -> None:
    assert len(OF_FILES) + len(OF_REPOSITORIES) >= 40
    assert len(MEMBERS) == 8


def test_a_model_that_is_loaded_as_it_comes_would_be_noticed(tmp_path: Path) -> None:
    planted = Canary(tmp_path / "planted")
    assert not planted.sang()
    pickle.loads(planted.pickled())
    assert planted.sang()
    planted.path.unlink()
    exec(planted.code(), {})
    assert planted.sang()
