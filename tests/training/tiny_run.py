"""A fine-tuning run of seconds: the tiny base model on sentences, on the processor, in fp32."""

import random
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests import tiny
from tests.training.left_out import leave_out_graph, leave_out_pictures
from training.config import FinetuningConfig, with_overrides
from training.finetuning.run import FinetuningResult, run_finetuning

TRAIN_ROWS = 240


def write_data(directory: Path, base: Path, *, train_rows: int = TRAIN_ROWS) -> Path:
    """Write the three splits as CSV files, and a copy of the model `base` beside them."""
    rng = random.Random(0)
    for split, count in (("train", train_rows), ("validation", 40), ("test", 20)):
        labels = [index % 2 for index in range(count)]
        texts = [tiny.sentence(label, rng, rng.randrange(4, 14)) for label in labels]
        frame = pd.DataFrame({"text": texts, "label": labels})
        frame.to_csv(directory / f"{split}.csv", index=False)
    shutil.copytree(base, directory / "base")
    return directory


def write_site(var_dir: Path, base: Path, *, train_rows: int = TRAIN_ROWS) -> None:
    """Put the data set `sentences` and the model `tiny-base` where a site looks for them."""
    data = var_dir / "datasets" / "sentences"
    data.mkdir(parents=True)
    write_data(data, base, train_rows=train_rows)
    (var_dir / "models").mkdir()
    shutil.move(data / "base", var_dir / "models" / "tiny-base")


def config(data_dir: Path, **overrides: Any) -> FinetuningConfig:
    """1.5 epochs of 30 steps, three checkpoints an epoch; `overrides` are fields of any section."""
    values = {
        "dataset": str(data_dir),
        "base_model": str(data_dir / "base"),
        "method": "full",
        "epochs": 1.5,
        "batch_size": 8,
        "learning_rate": 3e-3,
        "max_length": 16,
        "dropout": 0.1,
        "precision": "fp32",
        "evaluations_per_epoch": 3,
    }
    return FinetuningConfig.from_sections(with_overrides({}, values | overrides))


def run(
    data_dir: Path,
    var_dir: Path,
    *,
    resume: bool = False,
    models_dir: Path | None = None,
    runs_dir: Path | None = None,
    **overrides: Any,
) -> FinetuningResult:
    """Run it, but for pictures and graph."""
    with pytest.MonkeyPatch.context() as patch:
        leave_out_pictures(patch)
        leave_out_graph(patch)
        return run_finetuning(
            config(data_dir, **overrides),
            name="mine",
            models_dir=models_dir or var_dir / "models",
            runs_dir=runs_dir or var_dir / "runs",
            datasets_dir=data_dir,
            resume=resume,
        )


def weights(result: FinetuningResult) -> bytes:
    return (result.model_dir / "model.safetensors").read_bytes()
