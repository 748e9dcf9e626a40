"""One attempt of a run, in this process: what it writes, and what it must not write."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from classifier.jobs import Claim
from classifier.models import ModelVersion, StoredFile
from tests.factories import make_prediction, make_verdict
from tests.training.jobs.runs import (
    checkpoint_steps,
    claimed,
    models_of,
    require_success,
    row,
    start,
)
from tests.training.test_checkpoints import at_step
from training import finetuning, services
from training.checkpoints import DiskFull, TrainingStopped
from training.jobs import attempt
from training.jobs.attempt import carry_out
from training.jobs.watch import RunHeart
from training.models import TrainingRun

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


def before(monkeypatch: pytest.MonkeyPatch, name: str, act: Callable[[], object]) -> None:
    """Do something, once, before training.finetuning calls `name`."""
    called = getattr(finetuning, name)
    done: list[bool] = []

    def acting(*args: Any, **kwargs: Any) -> Any:
        if not done:
            done.append(True)
            act()
        return called(*args, **kwargs)

    monkeypatch.setattr(finetuning, name, acting)


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


def test_a_run_that_was_cut_off_before_its_first_checkpoint_begins_again(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def power_cut() -> None:
        raise KeyboardInterrupt

    run = start(**HALF)
    for name in ("load_splits", "_rehearse"):  # before and after config.json is written
        claim = claimed(run)
        with monkeypatch.context() as patch:
            before(patch, name, power_cut)
            with pytest.raises(KeyboardInterrupt):
                carry_out(claim)
        abandon(claim)
    assert not checkpoint_steps(var_dir)
    carry_out(claimed(run))
    require_success(row(run), var_dir)


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
        before(monkeypatch, "save_evaluation", take)
    carry_out(claim)
    assert fields_of(run) == taken[0]
    assert (taken[0]["attempt"], taken[0]["status"]) == (2, "running")
    assert models_of(var_dir) == []
    assert not ModelVersion.objects.exists()
    assert not StoredFile.objects.exists()
    assert checkpoint_steps(var_dir) == ([] if moment == "in training" else [10, 15])


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
        (DiskFull("This needs 5 free bytes."), "5 free bytes. Here: Retry goes on from the"),
        (TrainingStopped("With 2 processes."), "With 2 processes. Here: Retry"),
        (RuntimeError("CUDA out of memory, hf_abc"), "RuntimeError: CUDA out of memory, hf_\\*\\*"),
    ],
)
def test_what_ends_a_run_is_said_in_its_row(
    var_dir: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(finetuning, "load_splits", fail)
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


def test_reviewed_predictions_are_trained_on_as_the_reviewer_has_them(var_dir: Path) -> None:
    for index in range(60):
        word = "awful" if index % 2 else "superb"
        said = "POSITIVE" if index % 2 else "NEGATIVE"
        prediction = make_prediction(f"the film number {index} was {word}", label=said)
        make_verdict(prediction, label="NEGATIVE" if index % 2 else "POSITIVE", rating=5)
    make_prediction("never reviewed")
    make_verdict(make_prediction("", label="NEGATIVE"), label="POSITIVE", rating=9)  # purged
    run = start(dataset="reviewed", epochs=1.0, text_column="body", label_names="no,yes")
    carry_out(claimed(run))
    ended = row(run)
    assert (ended.status, ended.error) == ("succeeded", "")
    facts = json.loads((var_dir / "models" / "mine" / "metrics.json").read_text())
    assert sum(facts["rows"].values()) == 60
    assert facts["config"]["data"]["dataset"] == "reviewed.parquet"
    assert row(run).config["data"]["dataset"] == "reviewed"


def test_the_command_trains_on_reviewed_predictions_too(
    var_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from django.core.management import CommandError

    from tests.training.tiny_run import ON_SITE

    options = ON_SITE | {"dataset": "reviewed", "epochs": 0.5, "name": "typed"}
    with pytest.raises(CommandError, match=r"10 or more of each label\..* 0 NEGATIVE and 0 "):
        call_command("finetune", **options)
    assert not (var_dir / "runs" / "typed").exists()
    for index in range(60):
        label = ("NEGATIVE", "POSITIVE")[index % 2]
        make_verdict(make_prediction(f"a film {index}"), label=label, rating=5)
    call_command("finetune", **options, dry_run=True)
    assert not (var_dir / "runs" / "typed").exists()
    call_command("finetune", **options)
    assert models_of(var_dir) == ["typed"]
