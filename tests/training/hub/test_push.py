"""Pushing a model, with the real huggingface_hub against a Hub on loopback."""

import logging
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from classifier.exceptions import ModelNotReady
from tests.hub_stand_in import TOKEN, Fault, FaultKind, StandInHub
from tests.training.hub.facts import HASTY, QUICK, REPO
from training.hub import Hub, HubError, push_model

# huggingface_hub 2.4 hands files to httpx2 by an argument that httpx2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

REQUESTS = 10  # of a push into a repository that is not there yet


def test_a_push_is_one_private_commit_of_the_artefact_alone(
    stand_in: StandInHub, hub: Hub, model_dir: Path, files: dict[str, bytes]
) -> None:
    pushed = push_model(model_dir, REPO, hub=hub)
    repository = stand_in.repositories[REPO]
    assert stand_in.files(REPO) == files
    assert repository.private
    assert repository.pushes == 1
    assert pushed.commit == repository.commits[-1][0]
    assert pushed.private
    assert pushed.changed
    assert len(stand_in.asked) == REQUESTS


def test_a_public_push_makes_a_public_repository(
    stand_in: StandInHub, hub: Hub, model_dir: Path
) -> None:
    assert not push_model(model_dir, REPO, private=False, hub=hub).private
    assert not stand_in.repositories[REPO].private


def test_a_private_push_refuses_a_public_repository(
    stand_in: StandInHub, hub: Hub, model_dir: Path
) -> None:
    stand_in.put(REPO, {})
    with pytest.raises(HubError, match="is public"):
        push_model(model_dir, REPO, hub=hub)
    assert stand_in.repositories[REPO].pushes == 1


def test_pushing_again_commits_nothing(stand_in: StandInHub, hub: Hub, model_dir: Path) -> None:
    first = push_model(model_dir, REPO, hub=hub)
    second = push_model(model_dir, REPO, hub=hub)
    assert stand_in.repositories[REPO].pushes == 1
    assert second == replace(first, changed=False)


def test_the_tensors_of_a_new_graph_take_the_place_of_the_old_ones(
    stand_in: StandInHub, hub: Hub, model_dir: Path, files: dict[str, bytes]
) -> None:
    old, new = (f"onnx/model_int8.{digest}.data" for digest in ("0123456789ab", "ba9876543210"))
    (model_dir / "onnx").mkdir(exist_ok=True)
    (model_dir / old).write_bytes(b"tensors")
    push_model(model_dir, REPO, hub=hub)
    assert stand_in.files(REPO) == files | {old: b"tensors"}

    (model_dir / old).rename(model_dir / new)
    push_model(model_dir, REPO, hub=hub)
    assert stand_in.files(REPO) == files | {new: b"tensors"}


def test_a_changed_card_of_the_same_model_is_pushed(
    stand_in: StandInHub, hub: Hub, model_dir: Path
) -> None:
    push_model(model_dir, REPO, hub=hub)
    card = model_dir / "README.md"
    card.write_text(card.read_text() + "\nMore.\n")
    (model_dir / "metrics.json").unlink()
    assert push_model(model_dir, REPO, hub=hub).changed
    assert stand_in.files(REPO)["README.md"].endswith(b"\nMore.\n")
    assert "metrics.json" not in stand_in.files(REPO)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"pytorch_model.bin": b"x", "data.csv": b"a"}, r"holds data\.csv, pytorch_model\.bin"),
        ({"README.md": b"---\nlicense: mit\n---\n"}, "a model without a name"),
        (
            {"README.md": b"---\nmodel-index:\n- name: theirs\n  results: []\n---\n"},
            "holds theirs|without a name",
        ),
    ],
)
def test_a_repository_that_holds_something_else_is_refused_unless_told(
    stand_in: StandInHub,
    hub: Hub,
    model_dir: Path,
    files: dict[str, bytes],
    held: dict[str, bytes],
    message: str,
) -> None:
    stand_in.put(REPO, held, private=True)
    with pytest.raises(HubError, match=message):
        push_model(model_dir, REPO, hub=hub)
    assert stand_in.files(REPO) == held
    push_model(model_dir, REPO, replace=True, hub=hub)
    assert stand_in.files(REPO) == files
    assert stand_in.repositories[REPO].pushes == 2


def test_another_model_of_ours_is_refused_by_its_name(
    stand_in: StandInHub, hub: Hub, model_dir: Path
) -> None:
    push_model(model_dir, REPO, hub=hub)
    card = model_dir / "README.md"
    card.write_text(card.read_text().replace("name: mine", "name: other"))
    with pytest.raises(HubError, match=r"this model, other, but someone/reviews holds mine"):
        push_model(model_dir, REPO, hub=hub)


def _faults(kind: FaultKind, status: int = 0) -> Any:
    return pytest.param(kind, status, id=f"{kind}-{status}" if status else kind)


@pytest.mark.parametrize("at", range(REQUESTS))
@pytest.mark.parametrize(
    ("kind", "status"),
    [
        *(_faults("status", status) for status in (500, 503, 429, 412)),
        *(_faults(kind) for kind in ("reset", "hang", "lost")),
    ],
)
def test_what_passes_at_any_request_ends_in_exactly_one_commit(
    stand_in: StandInHub,
    hub: Hub,
    model_dir: Path,
    files: dict[str, bytes],
    kind: FaultKind,
    status: int,
    at: int,
) -> None:
    stand_in.reset(Fault(at, kind, status))
    if kind == "hang":
        hub = replace(hub, patience=HASTY)
    pushed = push_model(model_dir, REPO, hub=hub)
    assert len(stand_in.asked) >= REQUESTS
    assert stand_in.repositories[REPO].pushes == 1
    assert stand_in.files(REPO) == files
    assert pushed.commit == stand_in.repositories[REPO].commits[-1][0]


def test_a_push_by_halves_would_be_noticed(
    stand_in: StandInHub, hub: Hub, model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = HfApi.create_commit

    def by_halves(api: HfApi, repo_id: str, operations: Any, **options: Any) -> Any:
        options.pop("parent_commit")
        return [whole(api, repo_id, [each], **options) for each in operations][-1]

    monkeypatch.setattr(HfApi, "create_commit", by_halves)
    push_model(model_dir, REPO, hub=hub)
    assert stand_in.repositories[REPO].pushes > 1


@pytest.mark.parametrize("at", range(REQUESTS))
@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_not_asked_again_and_leaves_nothing_half_done(
    stand_in: StandInHub, hub: Hub, model_dir: Path, status: int, at: int
) -> None:
    stand_in.reset(Fault(at, "status", status, always=True))
    with pytest.raises(HubError, match=str(status)):
        push_model(model_dir, REPO, hub=hub)
    assert len(stand_in.asked) == at + 1
    repository = stand_in.repositories.get(REPO)
    # Only the last request, the verification, comes after the commit.
    assert (repository.pushes if repository else 0) == (at == REQUESTS - 1)


@pytest.mark.parametrize("kind", ["hang", "reset"])
def test_a_hub_that_fails_for_good_is_given_up_without_a_commit(
    stand_in: StandInHub, hub: Hub, model_dir: Path, kind: FaultKind
) -> None:
    stand_in.reset(Fault(4, kind, always=True))
    with pytest.raises(HubError, match=r"after 6 attempts.*DATASETS_DIR"):
        push_model(model_dir, REPO, hub=replace(hub, patience=HASTY))
    assert stand_in.repositories[REPO].pushes == 0
    assert len(stand_in.asked) == 4 + 6


def test_waits_double_and_retry_after_takes_their_place(
    stand_in: StandInHub, hub: Hub, model_dir: Path
) -> None:
    waits: list[float] = []
    patient = replace(hub, patience=replace(QUICK, sleep=waits.append))
    stand_in.reset(Fault(2, "status", 500, always=True))
    with pytest.raises(HubError, match="answers 500"):
        push_model(model_dir, REPO, hub=patient)
    assert waits == [1, 2, 4, 8, 16]
    for headers, expected in (
        ((("Retry-After", "7"),), 7),
        ((("ratelimit", '"api";r=0;t=9'),), 9),
        ((("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"),), 0),
        ((("Retry-After", "soon"),), 1),
    ):
        waits.clear()
        stand_in.reset(Fault(0, "status", 429, headers=headers))
        push_model(model_dir, REPO, hub=patient)
        assert waits == [expected]


def test_a_pause_that_is_too_long_is_not_waited_for(
    stand_in: StandInHub, hub: Hub, model_dir: Path
) -> None:
    stand_in.reset(Fault(0, "status", 429, headers=(("Retry-After", "3600"),)))
    with pytest.raises(HubError, match="asks to wait 3600 s"):
        push_model(model_dir, REPO, hub=hub)
    assert len(stand_in.asked) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_the_token_is_in_no_error_no_log_and_no_repr(
    stand_in: StandInHub,
    hub: Hub,
    model_dir: Path,
    status: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    stand_in.reset(Fault(3, "status", status, always=True))
    with pytest.raises(HubError) as raised:
        push_model(model_dir, REPO, hub=hub)
    shown = "".join(traceback.format_exception(raised.value))
    assert stand_in.asked[3].authorized
    captured = capfd.readouterr()
    for text in (shown, caplog.text, repr(hub), captured.out, captured.err):
        assert TOKEN not in text


def test_the_token_goes_to_the_hub_and_to_no_other_host(
    stand_in: StandInHub, hub: Hub, model_dir: Path
) -> None:
    push_model(model_dir, REPO, hub=hub)
    elsewhere = [asked for asked in stand_in.asked if asked.host.startswith("localhost")]
    assert [asked.method for asked in elsewhere] == ["PUT"]
    assert not any(asked.authorized for asked in elsewhere)


def test_a_wrong_token_is_refused_and_not_shown(
    stand_in: StandInHub, hub: Hub, model_dir: Path
) -> None:
    wrong = "hf_" + "wrongWrongWrong"
    with pytest.raises(HubError, match=r"401 \(Invalid credentials: Bearer <token>\)") as raised:
        push_model(model_dir, REPO, hub=replace(hub, token=wrong))
    assert wrong not in str(raised.value)


def test_without_a_token_nothing_is_asked(
    stand_in: StandInHub, anonymous: Hub, model_dir: Path
) -> None:
    with pytest.raises(HubError, match="HF_TOKEN is not set"):
        push_model(model_dir, REPO, hub=anonymous)
    assert not stand_in.asked


def test_another_users_name_is_refused(stand_in: StandInHub, hub: Hub, model_dir: Path) -> None:
    with pytest.raises(HubError, match=r"403 .*Use a token that may write"):
        push_model(model_dir, "another/reviews", hub=hub)


def test_only_a_complete_model_with_a_card_is_pushed(
    stand_in: StandInHub, hub: Hub, model_dir: Path
) -> None:
    (model_dir / "README.md").unlink()
    with pytest.raises(HubError, match=r"no README\.md"):
        push_model(model_dir, REPO, hub=hub)
    (model_dir / "model.safetensors").unlink()
    with pytest.raises(ModelNotReady, match=r"lacks model\.safetensors"):
        push_model(model_dir, REPO, hub=hub)
    assert not stand_in.asked


@pytest.mark.parametrize(
    "repo",
    ["reviews", "a/b/c", "../etc/x", "a/..", "a--b/c", "https://h/a", "a/b@c", "a /b", "é/b"],
)
def test_what_is_no_repository_is_refused(hub: Hub, model_dir: Path, repo: str) -> None:
    with pytest.raises(HubError, match="A repository is user/name"):
        push_model(model_dir, repo, hub=hub)
