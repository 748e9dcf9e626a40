"""The Hub's commands, a Hub that is blocked, and other programs that read what was pushed."""

import json
import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.hub_stand_in import TOKEN, Fault, StandInHub
from tests.site import ROOT
from tests.training.hub.blocked import refusing, silent, unknown
from tests.training.hub.facts import REPO
from training.hub import Hub, HubError, search_hub

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


def run(command: str, *arguments: str) -> str:
    output = StringIO()
    call_command(command, *arguments, stdout=output, no_color=True)
    return output.getvalue()


def test_the_commands_push_and_pull_and_name_what_to_do_next(
    stand_in: StandInHub, model_dir: Path, settings: Any, tmp_path: Path
) -> None:
    settings.MODELS_DIR = model_dir.parent
    said = run("push_to_hub", "mine", "--repo", REPO)
    assert f"{stand_in.url}/{REPO} (private) holds mine, verified" in said
    assert "held already mine" in run("push_to_hub", "mine", "--repo", REPO)
    with pytest.raises(CommandError, match="there is no model"):
        run("push_to_hub", "no-such-run", "--repo", REPO)

    settings.MODELS_DIR = tmp_path / "elsewhere"
    commit = stand_in.repositories[REPO].commits[-1][0]
    said = run("pull_model", f"{REPO}@main")
    assert f"manage.py activate_model someone--reviews-{commit[:12]}" in said
    assert "was already in" in run("pull_model", REPO)
    with pytest.raises(CommandError, match="A repository is user/name"):
        run("pull_model", "reviews")


def test_public_and_replace_are_passed_on(
    stand_in: StandInHub, model_dir: Path, settings: Any
) -> None:
    settings.MODELS_DIR = model_dir.parent
    stand_in.put(REPO, {"data.csv": b"a"})
    with pytest.raises(CommandError, match="is public"):
        run("push_to_hub", "mine", "--repo", REPO, "--replace")
    assert "(public) holds" in run("push_to_hub", "mine", "--repo", REPO, "--replace", "--public")


def put_found(stand_in: StandInHub) -> None:
    task = "text-classification"
    weights = {"parameters": {"F32": 66_000_000, "I64": 10}, "total": 66_000_010}
    stand_in.put(
        "big/sentiment",
        {},
        pipeline_tag=task,
        downloads=12345,
        tags=["license:apache-2.0"],
        safetensors=weights,
    )
    stand_in.put("old/sentiment", {}, pipeline_tag=task, downloads=99, tags=[], gated="manual")
    stand_in.put("big/sentiment-writer", {}, pipeline_tag="text-generation", downloads=5, tags=[])
    stand_in.put(
        "big/reviews-data",
        {},
        kind="datasets",
        downloads=7,
        tags=["task_categories:text-classification", "license:mit"],
        usedStorage=2048,
    )


def test_search_shows_models_of_the_task_by_downloads(stand_in: StandInHub) -> None:
    put_found(stand_in)
    rows = run("hub", "search", "sentiment").splitlines()
    assert rows[0].split() == ["name", "size", "downloads", "licence"]
    assert rows[1].split() == ["big/sentiment", "251.8", "MB", "12,345", "apache-2.0"]
    assert rows[2].split() == ["old/sentiment", "-", "99", "-", "(gated)"]
    assert len(rows) == 3
    assert len(run("hub", "search", "sentiment", "--limit", "1").splitlines()) == 2
    assert "sentiment-writer" in run("hub", "search", "sentiment", "--task", "text-generation")
    assert len(run("hub", "search", "sentiment", "--task", "").splitlines()) == 4


def test_search_shows_data_sets_too(stand_in: StandInHub) -> None:
    put_found(stand_in)
    rows = run("hub", "search", "reviews", "--datasets").splitlines()
    assert rows[1].split() == ["big/reviews-data", "2.0", "KB", "7", "mit"]


def test_a_search_for_nothing_says_how_to_find_more(stand_in: StandInHub) -> None:
    with pytest.raises(CommandError, match="fewer words"):
        run("hub", "search", "no-such-thing")


def test_a_proxy_that_answers_in_the_hubs_place_is_named(stand_in: StandInHub, hub: Hub) -> None:
    stand_in.reset(Fault(0, "status", 200))
    with pytest.raises(HubError, match="a proxy that answers"):
        search_hub("x", hub=hub)


# A Hub that is blocked


@pytest.mark.parametrize("blocked", [silent, refusing, unknown])
def test_a_blocked_hub_is_given_up_in_seconds_and_the_local_way_is_named(
    stand_in: StandInHub, blocked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a fresh process, which asks for the list of agents before anything else.
    monkeypatch.setattr("huggingface_hub.utils._detect_agent._registry", None)
    with blocked() as endpoint:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        began = time.monotonic()
        with pytest.raises(CommandError, match=r"--base-model takes a directory.*DATASETS_DIR"):
            run("hub", "search", "sentiment")
        assert time.monotonic() - began < 9


def test_a_name_that_is_never_resolved_does_not_hang(
    stand_in: StandInHub, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The system's resolver has no timeout that a program could set.
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: time.sleep(3))
    began = time.monotonic()
    patience = replace(hub.patience, contact_seconds=(0.3, 0.6))
    with pytest.raises(HubError, match=r"after 2 attempts: no answer in 0\.6 s"):
        search_hub("x", hub=replace(hub, endpoint="http://hub.example", patience=patience))
    assert time.monotonic() - began < 2


def test_offline_mode_is_named(stand_in: StandInHub, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CommandError, match="HF_HUB_OFFLINE must be unset"):
        run("pull_model", REPO)
    assert not stand_in.asked


# The environment


@pytest.mark.parametrize("endpoint", ["huggingface.co", "file:///etc/passwd", "https://"])
def test_an_endpoint_that_is_no_address_is_refused(
    endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(HubError, match="HF_ENDPOINT must be an address"):
        Hub.from_environment()


def test_a_damaged_token_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", f" {TOKEN}\n")
    assert Hub.from_environment().token == TOKEN
    monkeypatch.setenv("HF_TOKEN", f"{TOKEN}\n{TOKEN}")
    with pytest.raises(HubError, match="one word") as raised:
        Hub.from_environment()
    assert TOKEN not in str(raised.value)


def test_a_password_in_the_endpoint_is_not_shown() -> None:
    assert Hub("https://me:secret@hub.example/x").shown == "https://hub.example/x"


def test_huggingface_hub_gets_its_own_client_back(hub: Hub) -> None:
    from huggingface_hub import get_session

    from training.hub.client import BoundedClient

    with hub.session():
        assert isinstance(get_session(), BoundedClient)
    assert not isinstance(get_session(), BoundedClient)


# Other programs

READER = """
import json, sys
from huggingface_hub import constants, snapshot_download
from transformers import pipeline
folder = snapshot_download({repo!r})
rate = pipeline("text-classification", model={repo!r})
print(json.dumps([folder, rate("a lovely film and superb cast")[0]["label"]]))
"""


def test_transformers_and_snapshot_download_read_what_was_pushed(
    stand_in: StandInHub, model_dir: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    environment = {
        **{key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"},
        "HF_HOME": str(tmp_path / "hf"),
        "VAR_DIR": str(tmp_path / "var"),
        "DJANGO_SETTINGS_MODULE": "reviewsite.settings",
    }
    # As an operator does it, where nothing has set Xet off before huggingface_hub is imported.
    environment.pop("HF_HUB_DISABLE_XET", None)
    pushed = subprocess.run(
        [sys.executable, "manage.py", "push_to_hub", str(model_dir), "--repo", REPO],
        cwd=ROOT,
        env=environment,
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert pushed.returncode == 0, pushed.stderr
    assert TOKEN not in pushed.stdout + pushed.stderr
    assert stand_in.files(REPO) == files
    read = subprocess.run(
        [sys.executable, "-c", READER.format(repo=REPO)],
        env=environment,
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert read.returncode == 0, read.stderr
    folder, label = json.loads(read.stdout.splitlines()[-1])
    assert label == "POSITIVE"
    assert all((Path(folder) / name).read_bytes() == content for name, content in files.items())
