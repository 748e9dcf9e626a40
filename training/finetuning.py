"""A fine-tuning run from its config to a measured model directory, in order."""

import json
import logging
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.card import model_card
from training.checkpoints import last_good_checkpoint, model_bytes, room_required
from training.config import ConfigError, FinetuningConfig
from training.data import LabelledSplits, load_splits
from training.distribution import from_main, is_main_process, join
from training.export import save_adapter, save_artefact, write_json
from training.tokenization import tokenize
from training.tracking import Tracker, tracked_run

if TYPE_CHECKING:
    from transformers import Trainer

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
    tracking_uri: str = "",
) -> FinetuningResult:
    """Fine-tune, export, measure on the untouched test split, and write the artefact.

    Started as several processes, all train and the main one alone writes.

    Args:
        name: of the run and of the model; its directories are runs_dir/name, models_dir/name.
        resume: go on from the run's last good checkpoint, or from its beginning where it has
            none; a fresh run refuses a name that is taken.
        tracking_uri: of MLflow; empty tracks nothing.

    Raises:
        ConfigError: the name is taken, there is no such base model, or a rule is broken.
        DataError: the data cannot be used.
        ModelNotReady: the base model is missing or changed.
        TrainingStopped: by SIGTERM or a full disk; resume goes on.
    """
    run_dir, model_dir = runs_dir / name, models_dir / name
    started = time.monotonic()
    main = is_main_process()
    if main and not resume:
        _require_new(run_dir, model_dir)
    splits = load_splits(config.data, datasets_dir=datasets_dir, seed=config.training.seed)
    logger.info("Rows: %s; labels: %s", splits.sizes(), ", ".join(splits.labels))

    # Here, not at the top: loading transformers takes seconds, and bad data fails before.
    from transformers import set_seed

    from training.trainer import build_trainer, find_base, load_base, trains_on_cpu

    join(cpu=trains_on_cpu(config.training))
    base = find_base(config.model, models_dir=models_dir)
    set_seed(config.training.seed)
    model, tokenizer = load_base(base, config.model, splits.labels)
    if main:
        run_dir.mkdir(parents=True, exist_ok=True)
        write_json(run_dir / "config.json", config.to_sections())
    train, validation = (
        tokenize(frame, tokenizer, config.model) for frame in (splits.train, splits.validation)
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

    resumable = last_good_checkpoint(run_dir / "checkpoints") if main and resume else None
    checkpoint = from_main(resumable)
    with _tracked(config, name, run_dir, tracking_uri) as tracker:
        trainer.add_callback(tracker.callback())
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        metrics = {
            "train_loss": _train_loss(trainer.state.log_history),
            **trainer.evaluate(metric_key_prefix="validation"),
        }
        metrics = {key: value for key, value in metrics.items() if not _is_timing(key)}
        if main:
            with room_required(model_dir.parent, model_bytes(model)):
                if config.model.method == "lora":
                    save_adapter(
                        model, run_dir / "adapter", base_name=base.name, base_revision=base.revision
                    )
                save_artefact(model, tokenizer, model_dir)
            metrics |= _test_metrics(model_dir, splits)
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
            _track_facts(tracker, facts, model_dir)
    return FinetuningResult(model_dir=model_dir, metrics=from_main(metrics))


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


def _require_new(run_dir: Path, model_dir: Path) -> None:
    if taken := [str(path) for path in (run_dir / "config.json", model_dir) if path.exists()]:
        raise ConfigError(
            f"A run's name must be new, but {', '.join(taken)} exists. Give another --name, or "
            "--resume to go on with it."
        )
    model_dir.parent.mkdir(parents=True, exist_ok=True)


def _tracked(
    config: FinetuningConfig, name: str, run_dir: Path, tracking_uri: str
) -> AbstractContextManager[Tracker]:
    wanted = bool(tracking_uri) and is_main_process()
    experiment = config.publishing.experiment if wanted else ""
    return tracked_run(name, config.to_sections(), run_dir, tracking_uri, experiment)


def _track_facts(tracker: Tracker, facts: dict[str, Any], model_dir: Path) -> None:
    tracker.tags(
        {
            "base_model": facts["base_model"],
            "base_revision": facts["base_revision"],
            "dataset": facts["config"]["data"]["dataset"],
            **{f"rows.{split}": count for split, count in facts["rows"].items()},
        }
    )
    tracker.metrics(facts["metrics"])
    tracker.artefact(model_dir)


def _train_loss(log_history: list[dict[str, float]]) -> float:
    """Mean loss of all steps; the Trainer's own forgets those before a resume."""
    total, last = 0.0, 0.0
    for logs in log_history:
        if "loss" in logs:
            total += logs["loss"] * (logs["step"] - last)
            last = logs["step"]
    return total / last


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
