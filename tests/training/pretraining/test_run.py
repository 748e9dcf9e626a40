"""Whole pretraining runs: what they leave, and that a stopped one ends as if it had not been."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from tests.training import tiny_run
from tests.training.pretraining.tiny_pretraining import run, weights, write_texts
from training.checkpoints import TrainingStopped, last_good_checkpoint, numbered
from training.config import ConfigError
from training.pretraining import trainer as trainer_module
from training.pretraining.config import PretrainingConfig
from training.pretraining.run import PretrainingResult
from training.runs.records import recorded_config


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_texts(tmp_path_factory.mktemp("texts"))


@pytest.fixture(scope="module")
def undisturbed(
    data_dir: Path, tiny_base_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> PretrainingResult:
    return run(data_dir, tiny_base_dir, tmp_path_factory.mktemp("undisturbed"))


def at_step(monkeypatch: pytest.MonkeyPatch, step: int, act: Callable[[], None]) -> None:
    """Do `act` once, before optimizer step `step` of the next run."""
    from transformers import TrainerCallback

    class Act(TrainerCallback):
        done = False

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step == step and not self.done:
                self.done = True
                act()

    build, callback = trainer_module.build_trainer, Act()

    def build_with_callback(*args: Any, **kwargs: Any) -> Any:
        trainer = build(*args, **kwargs)
        trainer.add_callback(callback)
        return trainer

    monkeypatch.setattr(trainer_module, "build_trainer", build_with_callback)


def interrupt() -> None:
    raise KeyboardInterrupt


def test_a_run_learns_and_says_so(undisturbed: PretrainingResult) -> None:
    metrics, directory = undisturbed.metrics, undisturbed.model_dir
    assert metrics["after_loss"] < metrics["before_loss"] - 0.2
    assert metrics["after_accuracy"] > metrics["before_accuracy"]
    assert metrics["after_masked_tokens"] == metrics["before_masked_tokens"] > 10
    facts = json.loads((directory / "metrics.json").read_text())
    assert facts["metrics"] == metrics
    assert facts["texts"]["read"] == {"train": 60, "unsup": 120}
    assert facts["new_head"] is True
    card = (directory / "README.md").read_text()
    assert f"| {metrics['before_loss']:.4f} | {metrics['after_loss']:.4f} |" in card
    assert "one was made" in card
    assert "finetune --base-model read" in card
    names = {file.name for file in directory.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.json", "README.md"}


def test_finetune_takes_it_as_its_base(
    undisturbed: PretrainingResult, tiny_base_dir: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    tiny_run.write_data(data, tiny_base_dir, train_rows=64)
    shutil.copytree(undisturbed.model_dir, tmp_path / "models" / "read")
    result = tiny_run.run(
        data, tmp_path, base_model="read", epochs=0.1, learning_rate=1e-9, weight_decay=0.0
    )
    read, tuned = (
        load_file(directory / "model.safetensors")
        for directory in (undisturbed.model_dir, result.model_dir)
    )
    shared = [name for name in tuned if name.startswith("bert.")]
    assert len(shared) == len([name for name in read if name.startswith("bert.")])
    assert all((tuned[name] - read[name]).abs().max() < 1e-6 for name in shared)
    facts = json.loads((result.model_dir / "metrics.json").read_text())
    assert facts["base_model"] == "read"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "lora", "lora_rank": 4},
        {"whole_words": True},
        {"gradient_accumulation": 2, "batch_size": 4},
        {"steps": 25},
    ],
    ids=lambda options: next(iter(options), "plain"),
)
def test_a_run_stopped_inside_an_epoch_ends_as_if_it_had_not_been(
    data_dir: Path,
    tiny_base_dir: Path,
    undisturbed: PretrainingResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
) -> None:
    whole = run(data_dir, tiny_base_dir, tmp_path / "w", **options) if options else undisturbed
    with monkeypatch.context() as patch:
        at_step(patch, 17, interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(data_dir, tiny_base_dir, tmp_path, **options)
    resumed = run(data_dir, tiny_base_dir, tmp_path, resume=True, **options)
    assert weights(resumed) == weights(whole)
    assert resumed.metrics == whole.metrics


def test_sigterm_saves_a_checkpoint_and_the_run_goes_on(
    data_dir: Path,
    tiny_base_dir: Path,
    undisturbed: PretrainingResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_step(monkeypatch, 13, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(TrainingStopped, match=r"SIGTERM.*step 14 of"):
        run(data_dir, tiny_base_dir, tmp_path)
    checkpoints = tmp_path / "runs" / "read" / "checkpoints"
    assert last_good_checkpoint(checkpoints).name == "checkpoint-14"  # type: ignore[union-attr]
    assert not (tmp_path / "models" / "read").exists()
    resumed = run(data_dir, tiny_base_dir, tmp_path, resume=True)
    assert weights(resumed) == weights(undisturbed)


def test_a_run_that_was_published_is_not_trained_again(
    data_dir: Path, tiny_base_dir: Path, tmp_path: Path
) -> None:
    ended = run(data_dir, tiny_base_dir, tmp_path, steps=2)
    shutil.rmtree(tmp_path / "runs" / "read" / "checkpoints")
    assert run(data_dir, tiny_base_dir, tmp_path, resume=True, steps=2) == ended
    with pytest.raises(ConfigError, match="made with other parameters"):
        run(data_dir, tiny_base_dir, tmp_path, resume=True, steps=3)


@pytest.fixture(scope="module")
def eight_steps(
    data_dir: Path, tiny_base_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> PretrainingResult:
    return run(data_dir, tiny_base_dir, tmp_path_factory.mktemp("plain"), steps=8)


@pytest.mark.parametrize(
    "knob",
    [
        {"learning_rate": 1e-3},
        {"masking": 0.3},
        {"whole_words": True},
        {"max_length": 12},
        {"batch_size": 4},
        {"dropout": 0.3},
        {"seed": 1},
        {"steps": 9},
        {"splits": "unsup"},
        {"text_rows": 100},
        {"held_out_fraction": 0.3},
        {"precision": "bf16"},
    ],
    ids=lambda knob: next(iter(knob)),
)
def test_a_parameter_changes_the_weights(
    data_dir: Path,
    tiny_base_dir: Path,
    eight_steps: PretrainingResult,
    tmp_path: Path,
    knob: dict[str, Any],
) -> None:
    changed = run(data_dir, tiny_base_dir, tmp_path, **({"steps": 8} | knob))
    assert weights(changed) != weights(eight_steps)


def test_so_many_steps_are_taken_as_were_asked_for(
    data_dir: Path, tiny_base_dir: Path, tmp_path: Path
) -> None:
    run(data_dir, tiny_base_dir, tmp_path, steps=9, epochs=50.0)
    checkpoints = numbered(tmp_path / "runs" / "read" / "checkpoints")
    assert checkpoints[-1].name == "checkpoint-9"


def test_an_adapter_is_kept_with_the_run_and_names_no_path(
    data_dir: Path, tiny_base_dir: Path, tmp_path: Path
) -> None:
    run(data_dir, tiny_base_dir, tmp_path, method="lora", lora_rank=4, steps=2)
    adapter = tmp_path / "runs" / "read" / "adapter"
    settings = json.loads((adapter / "adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == tiny_base_dir.name
    assert str(tmp_path) not in (tmp_path / "models" / "read" / "metrics.json").read_text()


def test_a_run_of_finetune_is_not_one_of_pretrain(tmp_path: Path, data_dir: Path) -> None:
    (tmp_path / "mine").mkdir()
    sections = tiny_run.config(data_dir).to_sections()
    (tmp_path / "mine" / "config.json").write_text(json.dumps(sections))
    with pytest.raises(ConfigError, match="those are none, but it is 'mine'"):
        recorded_config(PretrainingConfig, tmp_path, "mine")
