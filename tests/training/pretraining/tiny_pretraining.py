"""A pretraining run of seconds: the tiny encoder on sentences, on the processor, in fp32."""

import random
from pathlib import Path
from typing import Any

import pandas as pd

from tests import tiny
from training.config import with_overrides
from training.pretraining.config import PretrainingConfig
from training.pretraining.run import PretrainingResult, run_pretraining


def write_texts(directory: Path) -> Path:
    """A folder of train, test and unsup; every tenth text is longer than a piece, all end alike."""
    rng = random.Random(0)
    for split, count in (("train", 60), ("test", 20), ("unsup", 120)):
        texts = [
            tiny.sentence(rng.randrange(2), rng, 30 if number % 10 == 0 else rng.randrange(4, 9))
            + " from start to end"
            for number in range(count)
        ]
        labels = [-1 if split == "unsup" else number % 2 for number in range(count)]
        frame = pd.DataFrame({"text": texts, "label": labels})
        frame.to_csv(directory / f"{split}.csv", index=False)
    return directory


def config(data_dir: Path, base: Path, **overrides: Any) -> PretrainingConfig:
    """1.5 epochs, four checkpoints an epoch; `overrides` are fields of any section."""
    values = {
        "dataset": str(data_dir),
        "base_model": str(base),
        "held_out_fraction": 0.15,
        "epochs": 1.5,
        "batch_size": 8,
        "learning_rate": 3e-3,
        "max_length": 16,
        "dropout": 0.1,
        "precision": "fp32",
        "experiment": "",
    }
    kinds = PretrainingConfig.kinds()
    return PretrainingConfig.from_sections(with_overrides({}, values | overrides, kinds=kinds))


def run(
    data_dir: Path, base: Path, var_dir: Path, *, resume: bool = False, **overrides: Any
) -> PretrainingResult:
    return run_pretraining(
        config(data_dir, base, **overrides),
        name="read",
        models_dir=var_dir / "models",
        runs_dir=var_dir / "runs",
        datasets_dir=data_dir,
        resume=resume,
    )


def weights(result: PretrainingResult) -> bytes:
    return (result.model_dir / "model.safetensors").read_bytes()
