"""HUB_ALLOWED bounds which repositories models and data come from."""

from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.hub_stand_in import StandInHub
from training.hub import Hub, HubError, fetch_dataset, pull_model, push_model, require_on_hub
from training.hub.allowed import require_allowed

COMMIT = "c0ffee" + "0" * 34
REPO = "someone/reviews"


@pytest.mark.parametrize(
    ("allowed", "revision"),
    [
        ([], ""),
        ([REPO], ""),
        ([REPO], "v1"),
        (["someone/*"], ""),
        (["other/*", "*/reviews"], COMMIT),
        ([f"{REPO}@{COMMIT}"], COMMIT),
        ([f"{REPO}@v1", f"{REPO}@v2"], "v2"),
    ],
)
def test_admitted(monkeypatch: pytest.MonkeyPatch, allowed: list[str], revision: str) -> None:
    monkeypatch.setenv("HUB_ALLOWED", " , ".join(allowed))
    require_allowed(REPO, revision)


@pytest.mark.parametrize(
    ("allowed", "revision"),
    [
        (["someone/other"], ""),
        (["someone"], ""),
        (["SOMEONE/reviews"], ""),
        (["someone/review"], ""),
        ([f"{REPO}@{COMMIT}"], ""),
        ([f"{REPO}@{COMMIT}"], COMMIT[:12]),
        ([f"{REPO}@{COMMIT}"], "v1"),
        ([f"{REPO}@"], "v1"),
    ],
)
def test_refused(monkeypatch: pytest.MonkeyPatch, allowed: list[str], revision: str) -> None:
    monkeypatch.setenv("HUB_ALLOWED", " , ".join(allowed))
    with pytest.raises(HubError, match=rf"HUB_ALLOWED alone, {allowed[0]}.*this is {REPO}"):
        require_allowed(REPO, revision)


def test_no_door_is_left_open(
    settings: Any,
    stand_in: StandInHub,
    hub: Hub,
    model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    push_model(model_dir, REPO, private=True, hub=hub)
    monkeypatch.setenv("HUB_ALLOWED", "our-team/*")
    settings.MODELS_DIR, settings.RUNS_DIR = tmp_path / "found", tmp_path / "runs"
    stand_in.reset()
    for door in (
        lambda: pull_model(REPO, models_dir=tmp_path / "found", hub=hub),
        lambda: fetch_dataset(REPO, tmp_path, max_bytes=1 << 20, hub=hub),
        lambda: require_on_hub(REPO, "model"),
        lambda: require_on_hub("imdb", "dataset"),
        lambda: call_command("pull_model", REPO),
        lambda: call_command("pull_verdicts", REPO),
        lambda: call_command("evaluate", model=REPO, dataset=str(tmp_path)),
        lambda: call_command("finetune", dataset=REPO, name="mine"),
    ):
        with pytest.raises((HubError, CommandError), match="HUB_ALLOWED"):
            door()
    assert not stand_in.asked
    monkeypatch.setenv("HUB_ALLOWED", f"our-team/*,{REPO}")
    assert pull_model(REPO, models_dir=tmp_path / "found", hub=hub).fetched


def test_a_cache_is_no_way_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HUB_ALLOWED", "our-team/*")
    with pytest.raises(HubError, match="HUB_ALLOWED"):
        require_on_hub(REPO, "model")


def test_a_folder_is_not_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / REPO).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HUB_ALLOWED", "our-team/*")
    require_on_hub(REPO, "model")
