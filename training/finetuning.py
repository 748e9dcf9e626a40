"""A fine-tuning run from its config to a measured model directory, in order."""

import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.starter import base
from training.config import ConfigError, FinetuningConfig
from training.data import LabelledSplits, load_splits, tokenize
from training.export import save_adapter, save_artefact, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Trainer

logger = logging.getLogger(__name__)


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
        ConfigError: the name is taken (or, with `resume`, the parameters differ), or a
            parameter breaks its rule.
        DataError: the data cannot be used.
    """
    from transformers import set_seed
    from transformers.trainer_utils import get_last_checkpoint

    run_dir, model_dir = runs_dir / name, models_dir / name
    started = time.monotonic()
    set_seed(config.training.seed)

    splits = load_splits(config.data, datasets_dir=datasets_dir, seed=config.training.seed)
    logger.info("Rows: %s; labels: %s", splits.sizes(), ", ".join(splits.labels))
    _claim(run_dir, model_dir, config, resume=resume)
    # Here, not at the top: loading transformers takes seconds, and bad data fails before.
    from training.trainer import build_trainer, load_base

    model, tokenizer = load_base(config.model, splits.labels)
    trainer = build_trainer(
        config,
        model=model,
        tokenizer=tokenizer,
        train=_tokenized(splits.train, tokenizer, config),
        validation=_tokenized(splits.validation, tokenizer, config),
        labels=splits.labels,
        run_dir=run_dir,
    )
    _verify_saving(tokenizer, trainer)

    checkpoint = get_last_checkpoint(str(run_dir / "checkpoints")) if resume else None
    trained = trainer.train(resume_from_checkpoint=checkpoint)
    validation = trainer.evaluate(metric_key_prefix="validation")

    if config.model.method == "lora":
        base_name, revision = base_identity(config)
        save_adapter(model, run_dir / "adapter", base_name=base_name, base_revision=revision)
    save_artefact(model, tokenizer, model_dir)
    metrics = {
        "train_loss": trained.training_loss,
        **{key: value for key, value in validation.items() if not _is_timing(key)},
        **_test_metrics(model_dir, splits),
    }
    write_json(
        model_dir / "metrics.json",
        {
            "metrics": metrics,
            "rows": splits.sizes(),
            "seconds": round(time.monotonic() - started),
            "config": config.to_sections(),
        },
    )
    return FinetuningResult(model_dir=model_dir, metrics=metrics)


def base_identity(config: FinetuningConfig) -> tuple[str, str]:
    """Name and revision of the base model, as anyone can look them up."""
    if config.model.base_model == "minilm":
        return base.NAME, base.REVISION
    return config.model.base_model, config.model.base_revision


def _claim(run_dir: Path, model_dir: Path, config: FinetuningConfig, *, resume: bool) -> None:
    """Take the run's name and write its parameters down, or check that they are the same."""
    import json

    record = run_dir / "config.json"
    if resume:
        if not record.is_file():
            raise ConfigError(
                f"Only a run that was started can be resumed, but there is no {record}. "
                "Leave out --resume, or check --name."
            )
        if json.loads(record.read_text(encoding="utf-8")) != config.to_sections():
            raise ConfigError(
                f"A run is resumed with the parameters it was started with, but they differ from "
                f"{record}. Give the same ones, or another --name."
            )
        return
    if taken := [str(path) for path in (record, model_dir) if path.exists()]:
        raise ConfigError(
            f"A run's name must be new, but {', '.join(taken)} exists. Give another --name, or "
            "--resume to go on with it."
        )
    run_dir.mkdir(parents=True, exist_ok=True)
    model_dir.parent.mkdir(parents=True, exist_ok=True)
    write_json(record, config.to_sections())


def _tokenized(frame: Any, tokenizer: "PreTrainedTokenizerBase", config: FinetuningConfig) -> Any:
    return tokenize(
        frame, tokenizer, max_length=config.model.max_length, long_texts=config.model.long_texts
    )


def _verify_saving(tokenizer: "PreTrainedTokenizerBase", trainer: "Trainer") -> None:
    """Measure one batch and save once, so that a doomed run dies in seconds and not at its end."""
    rows: Any = trainer.eval_dataset
    trainer.evaluate(rows.select(range(min(4, len(rows)))), metric_key_prefix="rehearsal")
    with tempfile.TemporaryDirectory() as directory:
        trainer.save_model(directory)
        tokenizer.save_pretrained(directory)


def _test_metrics(model_dir: Path, splits: LabelledSplits) -> dict[str, float]:
    from training.evaluation import evaluate_model

    measured = evaluate_model(model_dir, splits.test, splits.labels)
    return {f"test_{key}": value for key, value in measured.items()}


def _is_timing(key: str) -> bool:
    return key.endswith(("_runtime", "_per_second", "_preparation_time")) or key == "epoch"
