"""One attempt of a run, in this process: what it writes, and what it must not write."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from pytest_django import Settings

from classifier.jobs import Claim
from classifier.model_store import directory_of
from classifier.models import ModelVersion, StoredFile
from tests.factories import make_prediction
from tests.training.jobs.runs import (
    checkpoint_steps,
    claimed,
    models_of,
    require_success,
    row,
    start,
)
from tests.training.on_site import ON_SITE
from tests.training.test_checkpoints import at_step
from tests.training.verdicts.sentences import review
from training import services
from training.checkpoints import TrainingStopped
from training.finetuning import artefact, preparation
from training.finetuning import run as finetuning
from training.jobs import attempt
from training.jobs.attempt import carry_out
from training.jobs.watch import RunHeart
from training.models import TrainingRun

pytestmark = pytest.mark.usefixtures("no_pictures")
HALF: dict[str, Any] = {"epochs": 0.5}  # 15 steps, checkpoints at 10 and 15


def lose(claim: Claim) -> Claim:
    """The worker is thought dead, and another one has the run."""
    with transaction.atomic():  # no heartbeat comes between
        abandon(claim)
        other = TrainingRun.objects.claim(claim.pk)
    assert other
    return other


def abandon(claim: Claim) -> None:
    """The worker is gone, and that has been found out."""
    TrainingRun.objects.filter(pk=claim.pk).update(lease_until="2000-01-01T00:00Z")
    assert TrainingRun.objects.reap()


def fields_of(run: TrainingRun) -> dict[str, Any]:
    found: dict[str, Any] = TrainingRun.objects.values().get(pk=run.pk)
    return found


def before(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    act: Callable[[], object],
    *,
    caller: ModuleType = finetuning,
) -> None:
    """Do something, once, before `caller` calls `name`."""
    called = getattr(caller, name)
    done: list[bool] = []

    def acting(*args: Any, **kwargs: Any) -> Any:
        if not done:
            done.append(True)
            act()
        return called(*args, **kwargs)

    monkeypatch.setattr(caller, name, acting)


def test_an_attempt_tells_how_far_it_is_and_ends_with_all_that_belongs_to_a_run(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(**HALF)
    stages: list[tuple[str, int, int]] = []
    beat = RunHeart.beat

    def seen(heart: Any) -> None:
        beat(heart)
        now = row(run)
        stages.append((now.stage, now.done, now.total))

    monkeypatch.setattr(RunHeart, "beat", seen)
    monkeypatch.setattr(RunHeart, "_run", lambda heart: None)  # beats at saves alone
    carry_out(claimed(run))
    # At the checkpoints, and before others see the model.
    assert stages == [("training", 10, 15), ("training", 15, 15), ("exporting", 15, 15)]
    require_success(row(run), var_dir)
    assert "loss" in row(run).history[0]
    assert 0 < row(run).epoch <= 0.5


@pytest.mark.usefixtures("no_graph")
def test_a_run_that_was_cut_off_after_its_model_appeared_ends_with_that_model(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(**HALF)

    def power_cut(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(attempt, "store", power_cut)
        with pytest.raises(KeyboardInterrupt):
            carry_out(claimed(run))
    assert row(run).status == "running"
    weights = var_dir / "models" / "mine" / "model.safetensors"
    appeared = weights.stat().st_mtime_ns
    again = lose(Claim(TrainingRun, run.pk, 1, "", 60))
    monkeypatch.setattr(finetuning, "prepare", power_cut)  # nothing is trained again
    carry_out(again)
    require_success(row(run), var_dir)
    assert weights.stat().st_mtime_ns == appeared


@pytest.mark.usefixtures("no_graph")
def test_a_run_that_was_cut_off_before_its_first_checkpoint_begins_again(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut() -> None:
        raise KeyboardInterrupt

    run = start(**HALF)
    # Before and after config.json is written.
    for caller, name in ((preparation, "load_splits"), (finetuning, "_rehearse")):
        claim = claimed(run)
        with monkeypatch.context() as patch:
            before(patch, name, power_cut, caller=caller)
            with pytest.raises(KeyboardInterrupt):
                carry_out(claim)
        abandon(claim)
    assert not checkpoint_steps(var_dir)
    carry_out(claimed(run))
    require_success(row(run), var_dir)


@pytest.mark.usefixtures("no_graph")
@pytest.mark.parametrize("moment", ["in training", "before publishing"])
def test_an_attempt_that_was_thought_dead_neither_saves_nor_publishes_nor_writes(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    run = start(**HALF)
    claim = claimed(run)
    taken: list[dict[str, Any]] = []

    def take() -> None:
        lose(claim)
        taken.append(fields_of(run))

    if moment == "in training":
        at_step(monkeypatch, 8, take)
    else:
        before(monkeypatch, "save_evaluation", take, caller=artefact)
    carry_out(claim)
    assert fields_of(run) == taken[0]
    assert (taken[0]["attempt"], taken[0]["status"]) == (2, "running")
    assert models_of(var_dir) == []
    assert not ModelVersion.objects.exists()
    assert not StoredFile.objects.exists()
    assert checkpoint_steps(var_dir) == ([] if moment == "in training" else [10, 15])


@pytest.mark.usefixtures("no_graph")
@pytest.mark.parametrize("moment", ["evaluate_in_detail", "push_model"])
def test_an_attempt_that_was_thought_dead_does_not_push(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefghijklmnopqrstuvwxyz")
    run = start(**HALF, push_to_hub="me/mine")
    claim = claimed(run)
    pushed: list[Path] = []
    monkeypatch.setattr(finetuning, "push_model", lambda model, *a, **k: pushed.append(model))
    if moment == "evaluate_in_detail":
        before(monkeypatch, moment, lambda: lose(claim))
    carry_out(claim)
    assert [path.name for path in pushed] == (["mine"] if moment == "push_model" else [])


def test_a_run_that_is_cancelled_before_it_trains_ends_there(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(**HALF)
    claim = claimed(run)
    services.cancel(run.pk)
    beat = RunHeart.__enter__

    def beaten(heart: Any) -> Any:
        beat(heart)
        heart.beat()
        return heart

    monkeypatch.setattr(RunHeart, "__enter__", beaten)
    carry_out(claim)
    assert (row(run).status, row(run).stage) == ("cancelled", "")
    assert not (var_dir / "runs" / "mine" / "config.json").exists()


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (TrainingStopped("With 2 processes."), "With 2 processes. Here: Retry"),
        (RuntimeError("CUDA out of memory, hf_abc"), "RuntimeError: CUDA out of memory, hf_\\*\\*"),
    ],
)
def test_what_ends_a_run_is_said_in_its_row(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr("training.finetuning.preparation.load_splits", fail)
    run = start(**HALF)
    carry_out(claimed(run))
    assert row(run).status == "failed"
    assert said.replace("\\", "") in row(run).error
    assert row(run).stage == "preparing"


def test_data_that_cannot_be_used_are_said_as_the_command_says_it(var_dir: Path) -> None:
    run = start(**HALF, text_column="body")
    carry_out(claimed(run))
    assert row(run).status == "failed"
    assert "body is not among text, label" in row(run).error


def test_a_name_that_the_terminal_took_meanwhile_is_left_alone(var_dir: Path) -> None:
    run = start(**HALF)
    other = var_dir / "runs" / "mine" / "config.json"
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps(run.config | {"training": {"seed": 7}}))
    before = other.read_text()
    carry_out(claimed(run))
    assert row(run).status == "failed"
    assert "must be new" in row(run).error
    assert services.retry(run.pk)
    carry_out(claimed(run))
    assert row(run).status == "failed"
    assert "other parameters" in row(run).error
    assert other.read_text() == before


@pytest.mark.usefixtures("no_graph")
def test_losses_stay_counted_until_a_run_gets_beyond_its_best_checkpoint(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(epochs=1.0)  # checkpoints at 10, 20 and 30

    def stop(step: int) -> None:
        def interrupt() -> None:
            raise KeyboardInterrupt

        claim = claimed(run)
        with monkeypatch.context() as patch:
            at_step(patch, step, interrupt)
            with pytest.raises(KeyboardInterrupt):
                carry_out(claim)
        abandon(claim)

    stop(25)
    assert row(run).worker_losses == 1
    # The newest checkpoint is torn, so the next attempt writes it again: no progress.
    torn = var_dir / "runs" / "mine" / "checkpoints" / "checkpoint-20" / "optimizer.pt"
    torn.write_bytes(torn.read_bytes()[:100])
    stop(25)
    assert checkpoint_steps(var_dir) == [10, 20]
    assert row(run).worker_losses == 2
    carry_out(claimed(run))
    assert row(run).worker_losses == 0
    require_success(row(run), var_dir)


@pytest.mark.usefixtures("no_graph")
def test_verdicts_are_trained_on_with_rows_of_the_first_data(var_dir: Path) -> None:
    verdicts = review(train=25, test=5)
    make_prediction("never reviewed")
    run = start(dataset="reviewed", replay_dataset="sentences", epochs=8.0)

    carry_out(claimed(run))

    ended = row(run)
    assert (ended.status, ended.error) == ("succeeded", "")
    facts = json.loads((var_dir / "models" / "mine" / "metrics.json").read_text())
    assert facts["config"]["data"]["dataset"] == "reviewed"
    assert facts["config"]["data"]["replay_dataset"] == "sentences"
    provenance = facts["provenance"]
    assert provenance["rows"]["test"] == {"verdict": 10, "replay": 0}
    learnt = [provenance["rows"][split] for split in ("train", "validation")]
    assert sum(rows["verdict"] for rows in learnt) == sum(rows["replay"] for rows in learnt) == 50
    assert facts["rows"]["test"] == len(verdicts["test"])
    assert provenance["replay"]["dataset"] == "sentences"
    card = (var_dir / "models" / "mine" / "README.md").read_text()
    assert "| test | 10 | 0 |" in card
    assert "training rows of sentences" in card
    assert ended.config["data"]["dataset"] == "reviewed"
    assert ended.model_version
    assert ended.model_version.metrics["provenance"] == provenance


@pytest.mark.usefixtures("no_graph")
def test_a_run_on_verdicts_that_was_killed_goes_on_with_the_rows_it_began_with(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut() -> None:
        raise KeyboardInterrupt

    review()
    run = start(dataset="reviewed", replay_dataset="sentences", epochs=1.0)
    claim = claimed(run)
    with monkeypatch.context() as patch:
        at_step(patch, 3, power_cut)
        with pytest.raises(KeyboardInterrupt):
            carry_out(claim)
    abandon(claim)
    rows = var_dir / "runs" / "mine" / "reviewed" / "train.parquet"
    began = rows.read_bytes()
    review(seed=1)
    carry_out(claimed(run))
    assert (row(run).status, row(run).error) == ("succeeded", "")
    assert rows.read_bytes() == began


def test_a_model_becomes_a_candidate_whose_files_are_kept(var_dir: Path) -> None:
    run = start(epochs=3.0)
    carry_out(claimed(run))
    version = row(run).model_version
    assert version
    assert (version.status, version.source) == ("candidate", "run mine")
    assert (directory_of(version) / "model.safetensors").is_file()
    assert StoredFile.objects.count() == 1  # the report: nothing is shared on SQLite


@pytest.mark.usefixtures("no_graph")
def test_a_model_that_tells_nothing_apart_is_no_candidate_and_its_run_succeeds(
    var_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = start(**HALF, learning_rate=1e-9)
    carry_out(claimed(run))
    version = row(run).model_version
    assert (row(run).status, version and version.status) == ("succeeded", "seen")
    assert "no candidate" in caplog.text
    assert "mine gives all golden reviews" in caplog.text
    assert models_of(var_dir) == ["mine"]


@pytest.mark.parametrize("rating", [True, False])
def test_a_model_is_shared_once(var_dir: Path, settings: Settings, rating: bool) -> None:
    settings.SHARE_MODELS = True
    run = start(epochs=3.0 if rating else 0.5, label_names="" if rating else "no,yes")
    carry_out(claimed(run))
    version = row(run).model_version
    assert version
    assert version.archive is not None
    assert StoredFile.objects.count() == 2  # with the report


def test_a_base_that_another_host_keeps_is_fetched(var_dir: Path, settings: Settings) -> None:
    settings.SHARE_MODELS = True
    first = start("first", epochs=3.0)
    carry_out(claimed(first))
    version = row(first).model_version
    assert version
    kept = directory_of(version)
    shutil.rmtree(kept)
    shutil.rmtree(var_dir / "models" / "first")
    for name, base in (("kept", f"versions/{kept.name}"), ("named", "first")):
        run = start(name, **HALF, base_model=base)
        carry_out(claimed(run))
        assert (row(run).status, row(run).error) == ("succeeded", "")
    assert (kept / "model.safetensors").is_file()


@pytest.mark.usefixtures("no_graph")
def test_the_command_trains_on_reviewed_predictions_too(
    var_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ON_SITE | {"dataset": "reviewed", "epochs": 0.5, "name": "typed"}
    with pytest.raises(CommandError, match=r"10 or more of each label.* 0 NEGATIVE and 0 "):
        call_command("finetune", **options)
    assert not (var_dir / "runs" / "typed").exists()
    review()
    call_command("finetune", **options, dry_run=True)
    assert not (var_dir / "runs" / "typed").exists()
    call_command("finetune", **options)
    assert models_of(var_dir) == ["typed"]
    rows = var_dir / "runs" / "typed" / "reviewed"
    began = (rows / "train.parquet").read_bytes()
    review(seed=1)
    with pytest.raises(CommandError, match="must be new"):
        call_command("finetune", **options)
    call_command("finetune", name="typed", resume=True)
    assert (rows / "train.parquet").read_bytes() == began


@pytest.mark.usefixtures("no_graph")
def test_seeds_that_are_added_later_are_trained_on_the_same_rows(var_dir: Path) -> None:
    review()
    options = ON_SITE | {"dataset": "reviewed", "epochs": 0.5, "name": "many"}
    call_command("finetune", **options, seeds=[0])
    began = (var_dir / "runs" / "many" / "reviewed" / "train.parquet").read_bytes()
    review(seed=1)
    call_command("finetune", **options, seeds=[1])
    assert (var_dir / "runs" / "many" / "reviewed" / "train.parquet").read_bytes() == began
