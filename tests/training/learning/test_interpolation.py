"""Weights between those that a run began with and those it ended with."""

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import tiny_run
from training.finetuning.preparation import prepare
from training.learning.interpolation import INTERPOLATION, SHARES, interpolate, trained_weights

pytestmark = pytest.mark.usefixtures("no_pictures")


@pytest.fixture
def data_dir(tmp_path: Path, tiny_base_dir: Path) -> Path:
    directory = tmp_path / "data"
    directory.mkdir()
    return tiny_run.write_data(directory, tiny_base_dir)


def trainer_of(data_dir: Path, base: Path, var_dir: Path) -> Any:
    config = tiny_run.config(data_dir, base_model=str(base))
    places = {"models_dir": var_dir / "models", "runs_dir": var_dir / "runs"}
    prepared = prepare(config, datasets_dir=data_dir, run_dir=var_dir / "run", **places)
    return prepared.trainer


def test_only_the_part_of_the_way_is_gone_that_validation_gains_by(
    data_dir: Path, tmp_path: Path
) -> None:
    known = tiny_run.run(data_dir, tmp_path, calibrate=False)
    trainer = trainer_of(data_dir, known.model_dir, tmp_path)
    right = trained_weights(trainer.model)
    # Says POSITIVE where it should say NEGATIVE, as surely as the other is right.
    wrong = {
        name: -weight if name.startswith("classifier") else weight for name, weight in right.items()
    }
    checked = []

    # It had learnt, and is led astray: of what may be kept, the least.
    trainer.model.load_state_dict(wrong, strict=False)
    assert interpolate(trainer, right, lambda: checked.append(1)) == {INTERPOLATION: min(SHARES)}
    assert len(checked) == len(SHARES)
    for name, weight in trained_weights(trainer.model).items():
        torch.testing.assert_close(weight, torch.lerp(right[name], wrong[name], min(SHARES)))

    # It was wrong, and has learnt: all of it.
    trainer.model.load_state_dict(right, strict=False)
    assert interpolate(trainer, wrong, lambda: None) == {INTERPOLATION: 1.0}
    torch.testing.assert_close(trained_weights(trainer.model), right)


def test_who_asks_for_it_is_told_how_far_the_weights_have_gone(
    data_dir: Path, tmp_path: Path
) -> None:
    result = tiny_run.run(data_dir, tmp_path, interpolate=True)
    share = result.metrics[INTERPOLATION]
    assert share in SHARES
    card = (result.model_dir / "README.md").read_text(encoding="utf-8")
    assert f"40 chose the checkpoint and {share:.0%} of the way to it from where it began" in card

    plain = tiny_run.run(data_dir, tmp_path / "plain")
    assert INTERPOLATION not in plain.metrics
    assert "of the way" not in (plain.model_dir / "README.md").read_text(encoding="utf-8")
