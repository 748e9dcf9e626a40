"""Pulling a model, with the real huggingface_hub against a Hub on loopback; hostile ones too."""

import json
import logging
import shutil
import struct
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save
from torch import zeros

from classifier.exceptions import ModelNotReady
from classifier.model_files import OPTIONAL_FILES, RATING, STAR_HEAD, revision_of
from classifier.predictor import load_predictor
from tests import tiny
from tests.hub_stand_in import TOKEN, Blob, Fault, FaultKind, StandInHub
from tests.training.hub.facts import HASTY, REPO
from training.hub import Hub, HubError, Pulled, pull_model, push_model

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "pulled"


def pull(hub: Hub, models: Path, source: str = REPO) -> Pulled:
    return pull_model(source, models_dir=models, hub=hub)


def nothing_left(models: Path) -> bool:
    """No model, and no draft of one."""
    return not models.exists() or all(path.suffix == ".lock" for path in models.iterdir())


def test_a_model_comes_back_as_it_was_pushed_and_is_served(
    hub: Hub, model_dir: Path, files: dict[str, bytes], models: Path
) -> None:
    pushed = push_model(model_dir, REPO, hub=hub)
    pulled = pull(hub, models)
    assert pulled.fetched
    assert pulled.name == f"someone--reviews-{pushed.commit[:12]}"
    assert [path.name for path in models.iterdir() if path.suffix != ".lock"] == [pulled.name]
    came = {path.name: path.read_bytes() for path in pulled.directory.iterdir()}
    source = json.loads(came.pop("source.json"))
    assert came == files
    assert (source["repo_id"], source["revision"]) == (REPO, pushed.commit)

    from transformers import pipeline

    plain = pipeline("text-classification", model=str(pulled.directory))
    text = "a lovely film and superb cast"
    served = load_predictor(pulled.name, models_dir=models).classify([text])[0]
    assert plain(text)[0]["label"] == served.label == "POSITIVE"
    assert plain(text)[0]["score"] == pytest.approx(served.score, abs=1e-6)


def test_stars_and_ratings_come_along(
    hub: Hub, model_dir: Path, models: Path, tmp_path: Path
) -> None:
    tiny.add_stars(model_dir)
    push_model(model_dir, REPO, hub=hub)

    pulled = pull(hub, models)

    for name in OPTIONAL_FILES:
        assert (pulled.directory / name).read_bytes() == (model_dir / name).read_bytes()
    assert revision_of(pulled.directory) == revision_of(model_dir)
    [here], [there] = (
        load_predictor(directory, models_dir=tmp_path).classify(["a lovely film"])
        for directory in (model_dir, pulled.directory)
    )
    assert here == there
    assert here.rating_low is not None


STARS = b'{"map": "stars", "exact_weight": 0, "middle": 0, "interval_mass": 0.8}'


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({RATING: b"[" * 100_000}, "describes a map"),
        ({RATING: b'{"map": "probability", "rating": [1e999]}'}, "describes a map"),
        ({RATING: b'{"map": "stars", "window_rule": "__import__"}'}, "describes a map"),
        ({RATING: b" " * (2 << 20)}, "may have 1,048,576 bytes"),
        ({RATING: STARS}, "needs the star head beside it"),
        ({STAR_HEAD: b"\x80\x04pickle"}, "star_head"),
        ({STAR_HEAD: struct.pack("<Q", 1 << 62) + b"{}"}, "a header of 4,611,"),
        ({STAR_HEAD: save({"weight": zeros(10, 999), "bias": zeros(10)})}, "999 features"),
        ({STAR_HEAD: save({"weight": zeros(9, 32), "bias": zeros(9)})}, "shapes"),
        ({STAR_HEAD: save({"weight": zeros(10, 32)})}, "bias"),
    ],
)
def test_hostile_ratings_are_refused_with_the_reason(
    stand_in: StandInHub,
    hub: Hub,
    files: dict[str, bytes],
    models: Path,
    held: dict[str, bytes],
    message: str,
) -> None:
    stand_in.put(REPO, files | held)

    with pytest.raises((HubError, ModelNotReady), match=message):
        pull(hub, models)

    assert nothing_left(models)


def test_a_second_pull_only_resolves_and_one_by_commit_asks_nothing(
    stand_in: StandInHub, hub: Hub, files: dict[str, bytes], models: Path
) -> None:
    stand_in.put(REPO, files)
    first = pull(hub, models)
    stand_in.reset()
    assert pull(hub, models) == replace(first, fetched=False)
    assert len(stand_in.asked) == 1
    stand_in.reset()
    assert not pull(hub, models, f"{REPO}@{first.commit}").fetched
    assert not stand_in.asked


def test_a_revision_is_pulled_beside_the_newest(
    stand_in: StandInHub, hub: Hub, files: dict[str, bytes], models: Path
) -> None:
    repository = stand_in.put(REPO, files)
    old = repository.commits[-1][0]
    repository.commit({**repository.commits[-1][1], "README.md": Blob(b"newer")})
    assert pull(hub, models).directory.joinpath("README.md").read_bytes() == b"newer"
    pulled = pull(hub, models, f"{REPO}@{old}")
    assert pulled.commit == old
    assert pulled.directory.joinpath("README.md").read_bytes() == files["README.md"]


def test_only_files_of_an_artefact_are_fetched(
    stand_in: StandInHub, anonymous: Hub, files: dict[str, bytes], models: Path
) -> None:
    others = {"pytorch_model.bin": b"pickle", "modeling_x.py": b"evil", "onnx/model.onnx": b"o"}
    stand_in.put(REPO, {**files, **others})
    directory = pull(anonymous, models).directory
    assert {path.name for path in directory.iterdir()} == {*files, "source.json"}
    assert not any(name in asked.path for asked in stand_in.asked for name in others)


def test_a_model_with_the_vocabulary_alone_gets_its_tokenizer(
    stand_in: StandInHub, hub: Hub, files: dict[str, bytes], models: Path
) -> None:
    assert "vocab.txt" in files
    held = {name: content for name, content in files.items() if name != "tokenizer.json"}
    stand_in.put(REPO, held)
    pulled = pull(hub, models)
    found = load_predictor(pulled.name, models_dir=models).classify(["a superb and lovely film"])
    assert found[0].label == "POSITIVE"


def test_a_private_repository_needs_the_token(
    stand_in: StandInHub, hub: Hub, anonymous: Hub, files: dict[str, bytes], models: Path
) -> None:
    stand_in.put(REPO, files, private=True)
    with pytest.raises(HubError, match=r"404.*a private repository needs HF_TOKEN"):
        pull(anonymous, models)
    assert pull(hub, models).fetched
    cdn = [asked for asked in stand_in.asked if "/cdn/" in asked.path]
    assert cdn
    assert not any(asked.authorized for asked in cdn)


def _requests(stand_in: StandInHub, hub: Hub, models: Path) -> int:
    stand_in.reset()
    pull(hub, models.with_name("counted"))
    return len(stand_in.asked)


@pytest.mark.parametrize(
    ("kind", "status"),
    [("status", 500), ("status", 503), ("status", 429), ("reset", 0), ("hang", 0), ("lost", 0)],
)
def test_what_passes_at_any_request_ends_in_the_whole_model(
    stand_in: StandInHub,
    hub: Hub,
    files: dict[str, bytes],
    tmp_path: Path,
    kind: FaultKind,
    status: int,
) -> None:
    stand_in.put(REPO, files)
    requests = _requests(stand_in, hub, tmp_path / "x")
    if kind == "hang":
        hub = replace(hub, patience=HASTY)
    for at in range(requests):
        stand_in.reset(Fault(at, kind, status))
        models = tmp_path / f"models-{at}"
        directory = pull(hub, models).directory
        assert all((directory / name).read_bytes() == content for name, content in files.items())
        assert [path.name for path in models.iterdir() if path.suffix != ".lock"] == [
            directory.name
        ]


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_at_any_request_is_not_asked_again_and_leaves_nothing(
    stand_in: StandInHub, hub: Hub, files: dict[str, bytes], tmp_path: Path, status: int
) -> None:
    stand_in.put(REPO, files)
    for at in range(_requests(stand_in, hub, tmp_path / "x")):
        stand_in.reset(Fault(at, "status", status, always=True))
        with pytest.raises(HubError):
            pull(hub, tmp_path / "refused")
        assert len(stand_in.asked) == at + 1
        assert nothing_left(tmp_path / "refused")


def test_a_hub_that_fails_for_good_leaves_nothing(
    stand_in: StandInHub, hub: Hub, files: dict[str, bytes], models: Path
) -> None:
    stand_in.put(REPO, files)
    stand_in.reset(Fault(3, "reset", always=True))
    with pytest.raises(HubError, match="after 6 attempts"):
        pull(hub, models)
    assert nothing_left(models)


def test_the_token_is_in_no_error_and_no_log(
    stand_in: StandInHub,
    hub: Hub,
    files: dict[str, bytes],
    models: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in.put(REPO, files)
    for status in (400, 401, 403, 404, 500):
        stand_in.reset(Fault(2, "status", status, always=True))
        with pytest.raises(HubError) as raised:
            pull(hub, models)
        assert TOKEN not in "".join(traceback.format_exception(raised.value))
    assert TOKEN not in caplog.text


# Hostile repositories


def _config(files: dict[str, bytes], **extra: Any) -> dict[str, bytes]:
    return {**files, "config.json": json.dumps(json.loads(files["config.json"]) | extra).encode()}


@pytest.mark.parametrize(
    "extra",
    [
        {"auto_map": {"AutoConfig": "evil.Config"}},
        {"trust_remote_code": True},
        {"_attn_implementation_internal": "evil/kernel"},
        {"attn_implementation": "evil/kernel"},
        {"experts_implementation": "evil/kernel"},
        {"_anything_private": 1},
        {"transformers_weights": "pytorch_model.bin"},
        {"custom_pipelines": {"text-classification": {"impl": "evil.Pipeline"}}},
        {"text_config": {"nested": [{"auto_map": {"AutoModel": "evil.Model"}}]}},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_a_configuration_that_names_code_is_refused_before_the_weights(
    stand_in: StandInHub, hub: Hub, files: dict[str, bytes], models: Path, extra: dict[str, Any]
) -> None:
    stand_in.put(REPO, _config(files, **extra))
    with pytest.raises(ModelNotReady, match="names no code to run"):
        pull(hub, models)
    assert not any("model.safetensors" in asked.path for asked in stand_in.asked)
    assert nothing_left(models)


def test_a_configuration_keeps_what_its_kind_of_model_has(
    stand_in: StandInHub,
    hub: Hub,
    files: dict[str, bytes],
    models: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    known = {"problem_type": "single_label_classification", "classifier_dropout": 0.2}
    stand_in.put(REPO, _config(files, **known, next_attention="evil/kernel", notes=["by hand"]))
    pulled = pull(hub, models)
    kept = json.loads((pulled.directory / "config.json").read_text())
    assert kept == json.loads(files["config.json"]) | known
    assert "no bert has next_attention, notes; left out" in caplog.text


def test_a_kind_of_model_that_transformers_does_not_know_is_not_loaded(
    stand_in: StandInHub, hub: Hub, files: dict[str, bytes], models: Path
) -> None:
    for kind in ("evil", 7, None, ["bert"]):
        stand_in.put(REPO, _config(files, model_type=kind))
        pulled = pull(hub, models)
        assert json.loads((pulled.directory / "config.json").read_text())["model_type"] == kind
        with pytest.raises(ModelNotReady):
            load_predictor(pulled.directory, models_dir=models)
        shutil.rmtree(pulled.directory)


def test_a_tokenizer_that_names_code_is_refused(
    stand_in: StandInHub, hub: Hub, files: dict[str, bytes], models: Path
) -> None:
    settings = json.loads(files["tokenizer_config.json"]) | {
        "auto_map": {"AutoTokenizer": ["e", 0]}
    }
    stand_in.put(REPO, {**files, "tokenizer_config.json": json.dumps(settings).encode()})
    with pytest.raises(ModelNotReady, match=r"tokenizer_config\.json has auto_map"):
        pull(hub, models)
    assert nothing_left(models)


def test_a_label_may_be_called_like_a_forbidden_key(
    stand_in: StandInHub, hub: Hub, files: dict[str, bytes], models: Path
) -> None:
    labels = {"id2label": {"0": "auto_map", "1": "_x"}, "label2id": {"auto_map": 0, "_x": 1}}
    stand_in.put(REPO, _config(files, **labels))
    assert pull(hub, models).fetched


def test_settings_that_transformers_itself_once_wrote_are_accepted(
    stand_in: StandInHub, hub: Hub, files: dict[str, bytes], models: Path
) -> None:
    extra = {"_name_or_path": "x", "_num_labels": 2, "_attn_implementation_autoset": True}
    stand_in.put(REPO, _config(files, **extra))
    assert pull(hub, models).fetched


def _renamed(files: dict[str, bytes], old: str, new: str) -> dict[str, bytes]:
    return {new if name == old else name: content for name, content in files.items()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: _renamed(f, "model.safetensors", "pytorch_model.bin"), "can run code"),
        (lambda f: _renamed(f, "model.safetensors", "model.pt"), "can run code"),
        (
            lambda f: _renamed(f, "model.safetensors", "model-00001-of-00002.safetensors"),
            "max_shard_size",
        ),
        (lambda f: {"README.md": b"nothing"}, "holds none"),
        (lambda f: {**f, "../../outside.txt": b"x"}, "lie inside it"),
        (lambda f: {**f, "/etc/cron.d/x": b"x"}, "lie inside it"),
        (lambda f: {**f, "a\\..\\b": b"x"}, "lie inside it"),
        (lambda f: {**f, "a\x1b[2Jb": b"x"}, "lie inside it"),
        (lambda f: {**f, "config.json": b" " * (1 << 20) + f["config.json"]}, "may have 1,048,576"),
        (lambda f: {**f, "config.json": b"{"}, "readable JSON"),
        (lambda f: {**f, "config.json": b'{"a":' * 100_000}, "readable JSON"),
        (lambda f: {**f, "config.json": b"[1]"}, r"config\.json describes"),
        (lambda f: _config(f, architectures=["BertModel"]), "sequence classifier"),
        (lambda f: {k: v for k, v in f.items() if k != "config.json"}, r"lacks config\.json"),
        (
            lambda f: {**f, "model.safetensors": struct.pack("<Q", 1 << 62) + b"{}"},
            "a header of 4,611,",
        ),
        (lambda f: {**f, "model.safetensors": b"\x80\x04pickle"}, "a header of"),
        (lambda f: {**f, "model.safetensors": f["model.safetensors"][:-100]}, "it describes"),
        (lambda f: {**f, "model.safetensors": b""}, "a header"),
        (
            lambda f: {
                k: v for k, v in f.items() if not k.startswith(("tokenizer", "vocab", "special"))
            },
            "needs one of sentencepiece",
        ),
    ],
)
def test_a_repository_that_is_not_a_sound_classifier_is_refused_with_the_reason(
    stand_in: StandInHub,
    hub: Hub,
    files: dict[str, bytes],
    models: Path,
    change: Any,
    message: str,
) -> None:
    stand_in.put(REPO, change(files))
    with pytest.raises((HubError, ModelNotReady), match=message):
        pull(hub, models)
    assert nothing_left(models)


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_file_that_is_not_what_the_hub_lists_is_refused(
    stand_in: StandInHub, hub: Hub, files: dict[str, bytes], models: Path, name: str
) -> None:
    repository = stand_in.put(REPO, files)
    lie = Blob(files[name], lfs=True, listed_sha256="0" * 64)
    repository.commit({**repository.commits[-1][1], name: lie})
    with pytest.raises(HubError, match=rf"{name} must have the size and the digest"):
        pull(hub, models)
    assert nothing_left(models)


@pytest.mark.parametrize(
    "source",
    ["reviews", "../x/y", "a/b@", "a/b@../main", "a/b@-x", "a/b@x y", "https://h/a/b", "/a/b"],
)
def test_what_is_no_source_is_refused(hub: Hub, models: Path, source: str) -> None:
    with pytest.raises(HubError, match=r"A (repository|revision) is"):
        pull(hub, models, source)


def test_an_unknown_repository_and_an_unknown_revision_are_named(
    stand_in: StandInHub, hub: Hub, files: dict[str, bytes], models: Path
) -> None:
    stand_in.put(REPO, files)
    for source in ("someone/nothing", f"{REPO}@v9"):
        with pytest.raises(HubError, match=r"404.*Check the name and the revision"):
            pull(hub, models, source)
