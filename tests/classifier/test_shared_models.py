"""A model that was trained on one host is served on another."""

import shutil
from pathlib import Path

import pytest
from pytest_django import Settings

from classifier.artefact import open_artefact
from classifier.exceptions import ModelNotReady
from classifier.models import FilePiece, ModelVersion, StoredFile
from classifier.predictor import PredictorHolder
from classifier.shared_models import fetch, share

pytestmark = pytest.mark.django_db


@pytest.fixture
def version(tiny_model_dir: Path, tmp_path: Path) -> ModelVersion:
    """A model that was shared by a host of which nothing else is left."""
    elsewhere = tmp_path / "elsewhere" / "mine"
    shutil.copytree(tiny_model_dir, elsewhere)
    (elsewhere / "onnx").mkdir()
    (elsewhere / "onnx" / "notes.txt").write_text("Below the top.")
    revision = open_artefact(elsewhere, models_dir=tmp_path).revision()
    made = ModelVersion.objects.create(name="mine", revision=revision)
    share(made, elsewhere)
    shutil.rmtree(elsewhere)
    return made


def test_a_shared_model_appears_whole_where_it_was_missing(
    version: ModelVersion, tmp_path: Path
) -> None:
    models_dir = tmp_path / "models"
    assert fetch("mine", models_dir=models_dir)
    assert open_artefact("mine", models_dir=models_dir).revision() == version.revision
    assert (models_dir / "mine" / "onnx" / "notes.txt").read_text() == "Below the top."
    assert [path.name for path in models_dir.iterdir()] == ["mine"]


def test_a_model_that_is_there_is_not_fetched(version: ModelVersion, tmp_path: Path) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    assert not fetch("mine", models_dir=tmp_path / "models")
    assert list((tmp_path / "models" / "mine").iterdir()) == []


@pytest.mark.parametrize("name", ["other", "../mine", "/mine", "a/mine", ".."])
def test_what_is_no_shared_name_is_not_fetched(
    version: ModelVersion, tmp_path: Path, name: str
) -> None:
    assert not fetch(name, models_dir=tmp_path / "models")


def test_a_model_that_was_changed_on_the_way_is_refused(
    version: ModelVersion, tmp_path: Path
) -> None:
    last = FilePiece.objects.filter(file=version.archive).order_by("-number").first()
    assert last
    content = bytes(last.content)
    word = content.index(b"lovely")
    last.content = content[:word] + b"LOVELY" + content[word + 6 :]
    last.save()
    with pytest.raises(ModelNotReady, match="digest that they were shared with"):
        fetch("mine", models_dir=tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


def test_sharing_again_replaces_the_files(version: ModelVersion, tiny_model_dir: Path) -> None:
    before = version.archive
    share(version, tiny_model_dir)
    assert version.archive != before
    assert StoredFile.objects.count() == 1


def test_the_site_serves_a_model_that_only_the_database_has(
    version: ModelVersion, tmp_path: Path, settings: Settings
) -> None:
    settings.MODELS_DIR, settings.CLASSIFIER_MODEL = tmp_path / "models", "mine"
    predictor = PredictorHolder().get()
    assert (predictor.name, predictor.revision) == ("mine", version.revision)


def test_stars_and_ratings_are_shared_too(
    starred_model_dir: Path, tmp_path: Path, settings: Settings
) -> None:
    revision = open_artefact(starred_model_dir, models_dir=tmp_path).revision()
    share(ModelVersion.objects.create(name="starred", revision=revision), starred_model_dir)
    settings.MODELS_DIR, settings.CLASSIFIER_MODEL = tmp_path / "models", "starred"

    predictor = PredictorHolder().get()

    assert predictor.revision == revision
    assert predictor.classify(["superb joy"])[0].rating_low is not None
