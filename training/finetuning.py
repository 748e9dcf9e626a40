"""A fine-tuning run from its config to a measured model directory, in order."""

import json
import logging
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.artefact import STARTER
from training.card import model_card
from training.config import BUNDLED, ConfigError, FinetuningConfig
from training.data import LabelledSplits, load_splits, tokenize
from training.export import save_adapter, save_artefact, write_json

if TYPE_CHECKING:
    from transformers import Trainer

logger = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9][\w.-]*")
RESERVED = (STARTER, BUNDLED)  # as models, these mean the ones that ship with the product


@dataclass(frozen=True)
class FinetuningResult:
    model_dir: Path
    """Loads with transformers.pipeline("text-classification", model=model_dir)."""
    metrics: dict[str, float]
    """Measures of validation and test, each named with its split."""


def run_finetuning(
    config: FinetuningConfig,
    *,
    name: str,
    models_dir: Path,
    runs_dir: Path,
    datasets_dir: Path,
    resume: bool = False,
) -> FinetuningResult:
    """Fine-tune, export, measure on the untouched test split, and write the artefact.

    Args:
        name: of the run and of the model; its directories are runs_dir/name, models_dir/name.
        resume: go on from the run's last checkpoint; a fresh run refuses a name that is taken.

    Raises:
        ConfigError: the name is taken, there is no such base model, or a rule is broken.
        DataError: the data cannot be used.
        ModelNotReady: the base model is missing or changed.
    """
    run_dir, model_dir = runs_dir / name, models_dir / name
    started = time.monotonic()
    if not resume:
        _require_new(name, run_dir, model_dir)
    splits = load_splits(config.data, datasets_dir=datasets_dir, seed=config.training.seed)
    logger.info("Rows: %s; labels: %s", splits.sizes(), ", ".join(splits.labels))

    # Here, not at the top: loading transformers takes seconds, and bad data fails before.
    from transformers import set_seed
    from transformers.trainer_utils import get_last_checkpoint

    from training.trainer import build_trainer, find_base, load_base

    base = find_base(config.model, models_dir=models_dir)
    set_seed(config.training.seed)
    model, tokenizer = load_base(base, config.model, splits.labels)
    run_dir.mkdir(parents=True, exist_ok=True)
    write_json(run_dir / "config.json", config.to_sections())
    train, validation = (
        tokenize(
            frame,
            tokenizer,
            max_length=config.model.max_length,
            long_texts=config.model.long_texts,
        )
        for frame in (splits.train, splits.validation)
    )
    trainer = build_trainer(
        config,
        model=model,
        tokenizer=tokenizer,
        train=train,
        validation=validation,
        labels=splits.labels,
        run_dir=run_dir,
    )
    _rehearse(trainer)

    checkpoint = get_last_checkpoint(str(run_dir / "checkpoints")) if resume else None
    trainer.train(resume_from_checkpoint=checkpoint)
    measured = trainer.evaluate(metric_key_prefix="validation")

    if config.model.method == "lora":
        save_adapter(model, run_dir / "adapter", base_name=base.name, base_revision=base.revision)
    save_artefact(model, tokenizer, model_dir)
    metrics = {
        **{key: value for key, value in measured.items() if not _is_timing(key)},
        **_test_metrics(model_dir, splits),
    }
    facts = {
        "metrics": metrics,
        "rows": splits.sizes(),
        "base_model": base.name,
        "base_revision": base.revision,
        "seconds": round(time.monotonic() - started),
        "config": config.to_sections(),
    }
    write_json(model_dir / "metrics.json", facts)
    (model_dir / "README.md").write_text(model_card(name, facts), encoding="utf-8")
    return FinetuningResult(model_dir=model_dir, metrics=metrics)


def recorded_config(runs_dir: Path, name: str) -> FinetuningConfig:
    """The parameters that the run `name` was started with.

    Raises:
        ConfigError: there is no such run.
    """
    record = runs_dir / name / "config.json"
    if not record.is_file():
        known = sorted(path.parent.name for path in runs_dir.glob("*/config.json"))
        raise ConfigError(
            f"Only a run that was started can be resumed, and those are "
            f"{', '.join(known) or 'none'}, but it is {name!r}. Check --name."
        )
    return FinetuningConfig.from_sections(json.loads(record.read_text(encoding="utf-8")))


def _require_new(name: str, run_dir: Path, model_dir: Path) -> None:
    if not NAME.fullmatch(name) or name in RESERVED:
        raise ConfigError(
            "A run's name is made of letters, digits, '.', '_' and '-', starts with a letter or "
            f"digit, and is none of {', '.join(RESERVED)}, but it is {name!r}. Give another --name."
        )
    if taken := [str(path) for path in (run_dir / "config.json", model_dir) if path.exists()]:
        raise ConfigError(
            f"A run's name must be new, but {', '.join(taken)} exists. Give another --name, or "
            "--resume to go on with it."
        )
    model_dir.parent.mkdir(parents=True, exist_ok=True)


def _rehearse(trainer: "Trainer") -> None:
    """Measure one batch and save once, so that a doomed run dies in seconds and not at its end."""
    rows: Any = trainer.eval_dataset
    trainer.evaluate(rows.select(range(min(4, len(rows)))), metric_key_prefix="rehearsal")
    with tempfile.TemporaryDirectory() as directory:
        trainer.save_model(directory)


def _test_metrics(model_dir: Path, splits: LabelledSplits) -> dict[str, float]:
    from training.evaluation import evaluate_model

    measured = evaluate_model(model_dir, splits.test, splits.labels)
    return {f"test_{key}": value for key, value in measured.items()}


def _is_timing(key: str) -> bool:
    return key.endswith(("_runtime", "_per_second", "_preparation_time")) or key == "epoch"
