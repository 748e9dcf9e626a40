import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from classifier.artefact import STARTER, open_artefact
from classifier.exceptions import ModelNotReady
from classifier.model_files import FILES
from classifier.starter import installer


@pytest.fixture
def models_dir(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def mine(tiny_model_dir: Path, models_dir: Path) -> Path:
    """A copy of the tiny model, named "mine", to change at will."""
    return Path(shutil.copytree(tiny_model_dir, models_dir / "mine"))


def change_config(directory: Path, **values: Any) -> None:
    file = directory / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def refusal(model: str | Path, models_dir: Path) -> ModelNotReady:
    with pytest.raises(ModelNotReady) as refused:
        open_artefact(model, models_dir=models_dir).positive_index()
    return refused.value


def test_a_name_is_looked_up_under_the_models_folder(mine: Path, models_dir: Path) -> None:
    artefact = open_artefact("mine", models_dir=models_dir)

    assert artefact.directory == mine
    assert artefact.name == "mine"


def test_a_directory_outside_the_models_folder_is_found(
    tiny_model_dir: Path, models_dir: Path
) -> None:
    artefact = open_artefact(str(tiny_model_dir), models_dir=models_dir)

    assert artefact.directory == tiny_model_dir
    assert artefact.name == tiny_model_dir.name


def test_the_labels_and_the_positive_output_are_read(mine: Path, models_dir: Path) -> None:
    artefact = open_artefact("mine", models_dir=models_dir)

    assert artefact.labels == ("NEGATIVE", "POSITIVE")
    assert artefact.positive_index() == 1


def test_labels_in_the_other_order_are_read_in_their_order(mine: Path, models_dir: Path) -> None:
    change_config(mine, id2label={"0": "pos", "1": "neg"})

    assert open_artefact("mine", models_dir=models_dir).positive_index() == 0


def test_a_missing_directory_is_named_with_the_setting_that_mends_it(models_dir: Path) -> None:
    error = refusal("nowhere", models_dir)

    assert error.code == "model_missing"
    assert "'nowhere'" in error.value
    assert "CLASSIFIER_MODEL" in error.remedy


def test_a_starter_that_is_not_installed_is_named_with_the_command_that_mends_it(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adapter_model.safetensors").write_bytes(b"an adapter")
    monkeypatch.setattr(installer, "ADAPTER", tmp_path)

    error = refusal(STARTER, models_dir)

    assert error.code == "model_missing"
    assert "manage.py install_starter" in error.remedy


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(name: str, mine: Path, models_dir: Path) -> None:
    (mine / name).unlink()

    error = refusal("mine", models_dir)

    assert error.code == "model_incomplete"
    assert error.value == f"mine lacks {name}"


def test_a_base_model_without_a_head_is_refused(tiny_base_dir: Path, models_dir: Path) -> None:
    error = refusal(tiny_base_dir, models_dir)

    assert error.code == "model_config"
    assert "its architecture is BertModel" in error.value
    assert "manage.py finetune" in error.remedy


@pytest.mark.parametrize(
    "config", ["", "not JSON", "[]", "null", '{"architectures": 3}', '{"architectures": [1]}']
)
def test_a_config_that_is_no_config_is_refused(config: str, mine: Path, models_dir: Path) -> None:
    (mine / "config.json").write_text(config)

    assert refusal("mine", models_dir).code == "model_config"


@pytest.mark.parametrize(
    "id2label", [["NEGATIVE", "POSITIVE"], {"0": 1, "1": 2}, {"a": "NEGATIVE"}, {"1": "NEGATIVE"}]
)
def test_an_id2label_that_does_not_number_labels_is_refused(
    id2label: object, mine: Path, models_dir: Path
) -> None:
    change_config(mine, id2label=id2label)

    assert refusal("mine", models_dir).code == "model_config"


def test_labels_that_are_not_the_two_sentiments_are_refused(mine: Path, models_dir: Path) -> None:
    change_config(mine, id2label={"0": "joy", "1": "anger"})

    error = refusal("mine", models_dir)

    assert error.code == "model_labels"
    assert error.value == "mine has joy, anger"


def test_a_model_of_other_labels_opens_where_no_rating_is_asked(
    mine: Path, models_dir: Path
) -> None:
    change_config(mine, id2label={"0": "joy", "1": "anger"})

    assert open_artefact("mine", models_dir=models_dir).labels == ("joy", "anger")


def test_the_revision_stays_while_the_files_do(mine: Path, models_dir: Path) -> None:
    before = open_artefact("mine", models_dir=models_dir).revision()

    assert open_artefact(mine, models_dir=models_dir).revision() == before
    assert len(before) == 12


@pytest.mark.parametrize("name", FILES)
def test_the_revision_changes_when_a_file_does(name: str, mine: Path, models_dir: Path) -> None:
    artefact = open_artefact("mine", models_dir=models_dir)
    before = artefact.revision()

    with (mine / name).open("ab") as file:
        file.write(b" ")

    assert artefact.revision() != before
