"""What the tests of the Hub share: a stand-in, its client, a model with its card."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hub_stand_in import TOKEN, StandInHub
from tests.training.hub.facts import FACTS, QUICK
from training.hub import Hub
from training.reporting.card import model_card


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    """A running stand-in, and huggingface_hub of this process allowed to speak."""
    import huggingface_hub.constants

    # tests/conftest.py forbids the Hub to all tests; these have one of their own.
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
    folder = tmp_path / "hub"
    folder.mkdir()
    with StandInHub.started(folder) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


@pytest.fixture
def hub(stand_in: StandInHub) -> Hub:
    return Hub(stand_in.url, TOKEN, QUICK)


@pytest.fixture
def anonymous(hub: Hub) -> Hub:
    return replace(hub, token="")


@pytest.fixture
def model_dir(tiny_model_dir: Path, tmp_path: Path) -> Path:
    """The tiny classifier as a run leaves it, and beside it what must not travel."""
    directory = tmp_path / "models" / "mine"
    shutil.copytree(tiny_model_dir, directory)
    (directory / "README.md").write_text(model_card("mine", FACTS), encoding="utf-8")
    (directory / "metrics.json").write_text(json.dumps(FACTS["metrics"]), encoding="utf-8")
    (directory / "checkpoint-8").mkdir()
    (directory / "checkpoint-8" / "optimizer.pt").write_bytes(b"state")
    (directory / "training_args.bin").write_bytes(b"arguments")
    return directory


@pytest.fixture
def files(model_dir: Path) -> dict[str, bytes]:
    """The files of the artefact alone."""
    return {
        path.name: path.read_bytes()
        for path in model_dir.iterdir()
        if path.is_file() and path.name != "training_args.bin"
    }
