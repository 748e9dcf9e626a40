"""Each parameter of training reaches the Trainer and changes what it does."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.tiny_run import config, run, weights, write_data
from training.checkpoints import numbered
from training.config import ConfigError
from training.data.sampling import LengthGroupedOrder
from training.finetuning.run import FinetuningResult
from training.learning import trainer as trainer_module
from training.learning.trainer import trains_on_cpu

SHORT: dict[str, Any] = {"epochs": 0.4, "evaluations_per_epoch": 1}  # 12 steps


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory, tiny_base_dir: Path) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), tiny_base_dir)


@pytest.fixture(scope="module")
def plain(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> FinetuningResult:
    return run(data_dir, tmp_path_factory.mktemp("plain"), **SHORT)


@pytest.mark.parametrize(
    "knob",
    [
        {"epochs": 2.0},
        {"learning_rate": 1e-3},
        {"batch_size": 4},
        {"weight_decay": 0.5},
        {"warmup_fraction": 0.5},
        {"warmup_steps": 5},
        {"scheduler": "cosine"},
        {"precision": "bf16"},
        {"gradient_accumulation": 2},
        {"dropout": 0.3},
        {"seed": 1},
    ],
    ids=lambda knob: next(iter(knob)),
)
def test_a_parameter_changes_the_weights(
    data_dir: Path, plain: FinetuningResult, tmp_path: Path, knob: dict[str, Any]
) -> None:
    assert weights(run(data_dir, tmp_path, **(SHORT | knob))) != weights(plain)


def test_the_same_parameters_give_the_same_weights(
    data_dir: Path, plain: FinetuningResult, tmp_path: Path
) -> None:
    assert weights(run(data_dir, tmp_path, **SHORT)) == weights(plain)


def gradient_norms(var_dir: Path) -> list[float]:
    newest = numbered(var_dir / "runs" / "mine" / "checkpoints")[-1]
    history = json.loads((newest / "trainer_state.json").read_text())["log_history"]
    return [logs["grad_norm"] for logs in history if "grad_norm" in logs]


def test_accumulated_gradients_are_those_of_the_larger_batch(
    data_dir: Path, tmp_path: Path
) -> None:
    # At a rate that hardly moves the weights, rounding cannot add up.
    options = SHORT | {"dropout": 0.0, "learning_rate": 1e-7}
    run(data_dir, tmp_path / "whole", **options)
    run(data_dir, tmp_path / "parts", batch_size=2, gradient_accumulation=4, **options)
    found = gradient_norms(tmp_path / "parts")
    assert len(found) >= 10
    assert found == pytest.approx(gradient_norms(tmp_path / "whole"), rel=1e-3)


def test_gradient_checkpointing_computes_each_layer_twice(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = {}
    build = trainer_module.build_trainer
    for checkpointing in (False, True):
        counted: list[int] = []

        def build_and_count(*args: Any, counted: list[int] = counted, **kwargs: Any) -> Any:
            trainer = build(*args, **kwargs)
            model: Any = trainer.model
            layer = model.bert.encoder.layer[0].attention
            layer.register_forward_hook(
                lambda module, inputs, output: counted.append(1) if module.training else None
            )
            return trainer

        monkeypatch.setattr(trainer_module, "build_trainer", build_and_count)
        options = SHORT | {"gradient_checkpointing": checkpointing}
        run(data_dir, tmp_path / str(checkpointing), **options)
        passes[checkpointing] = len(counted)
    assert passes[True] == 2 * passes[False] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda"}, "device=cuda needs a GPU.*--device cpu"),
        ({"precision": "fp16"}, "fp16 needs CUDA.*the device is 'cpu'"),
        ({"precision": "fp16", "device": "cpu"}, "fp16 needs CUDA"),
    ],
)
def test_a_device_that_is_not_there_is_refused(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str
) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=message):
        trains_on_cpu(config(data_dir, **options).training)


def test_an_order_has_every_row_once_and_depends_on_seed_and_epoch() -> None:
    lengths = [(7 * index) % 31 for index in range(203)]
    order = LengthGroupedOrder(lengths, rows_per_step=8, seed=3)
    drawn: dict[int, list[int]] = {}
    for epoch in (0, 1, 0):
        order.set_epoch(epoch)
        rows = list(order)
        assert sorted(rows) == list(range(203))
        assert drawn.setdefault(epoch, rows) == rows
    assert drawn[0] != drawn[1] != list(LengthGroupedOrder(lengths, rows_per_step=8, seed=4))


def test_rows_of_like_length_come_together() -> None:
    lengths = [(7 * index) % 31 for index in range(200)]
    rows = list(LengthGroupedOrder(lengths, rows_per_step=8, seed=0))
    spans = [
        max(lengths[i] for i in rows[start : start + 8])
        - min(lengths[i] for i in rows[start : start + 8])
        for start in range(0, 192, 8)
    ]
    assert sum(spans) / len(spans) < 10
