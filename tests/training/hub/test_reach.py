"""Base models, data sets and other models that commands take from the Hub."""

import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from tests.hub_stand_in import StandInHub
from tests.training import tiny_run
from tests.training.hub.blocked import refusing, silent, unknown
from training.hub import Hub, push_model

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REPO = "someone/base"


@pytest.fixture
def data_dir(tiny_base_dir: Path, settings: Any, tmp_path: Path) -> Path:
    settings.MODELS_DIR, settings.RUNS_DIR = tmp_path / "found", tmp_path / "runs"
    settings.DATASETS_DIR = tmp_path
    directory = tmp_path / "data"
    directory.mkdir()
    return tiny_run.write_data(directory, tiny_base_dir, train_rows=40)


def finetune(data_dir: Path, **overrides: Any) -> None:
    sections = tiny_run.config(
        data_dir, epochs=0.5, evaluations_per_epoch=1, experiment="", **overrides
    ).to_sections()
    options = {key: value for each in sections.values() for key, value in each.items()}
    call_command("finetune", name="mine", **options)


@pytest.mark.parametrize(
    ("blocked", "wanted"),
    [
        (silent, {"base_model": REPO}),
        (refusing, {"base_model": REPO}),
        (refusing, {"dataset": REPO}),
        (unknown, {"generate": "p_tuning", "generator_model": REPO, "generated_rows": 1}),
    ],
)
def test_with_the_hub_blocked_a_run_says_so_in_seconds(
    data_dir: Path,
    stand_in: StandInHub,
    blocked: Any,
    wanted: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with blocked() as endpoint:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        began = time.monotonic()
        with pytest.raises(CommandError, match=r"someone/base.*DATASETS_DIR.*HF_HUB_OFFLINE=1"):
            finetune(data_dir, **wanted)
        assert time.monotonic() - began < 30


def test_a_base_model_that_the_hub_does_not_have_is_named(
    data_dir: Path, stand_in: StandInHub
) -> None:
    with pytest.raises(CommandError, match=r"'someone/base'.*404"):
        finetune(data_dir, base_model=REPO)


@pytest.mark.django_db
def test_a_run_starts_from_a_model_of_the_hub(
    data_dir: Path, stand_in: StandInHub, hub: Hub, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", stand_in.url)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        stand_in.url + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(data_dir / "cache"))
    push_model(model_dir, REPO, private=True, hub=hub)
    finetune(data_dir, base_model=REPO)
    card = (data_dir.parent / "found" / "mine" / "README.md").read_text()
    assert f"fine-tuned by Reviewsite from {REPO}" in card
    assert pd.read_json(data_dir.parent / "found" / "mine" / "metrics.json", typ="series")["rows"]


def test_a_model_that_was_not_trained_here_is_fetched_to_be_measured(
    data_dir: Path, stand_in: StandInHub, hub: Hub, model_dir: Path, tmp_path: Path
) -> None:
    push_model(model_dir, REPO, private=True, hub=hub)
    here, fetched = tmp_path / "here.json", tmp_path / "fetched.json"
    call_command("evaluate", model=str(model_dir), dataset=str(data_dir), output=here)
    call_command("evaluate", model=REPO, dataset=str(data_dir), output=fetched)
    assert fetched.read_text() == here.read_text()
    with pytest.raises(CommandError, match=r"404.*Check the name"):
        call_command("evaluate", model="someone/else", dataset=str(data_dir))
