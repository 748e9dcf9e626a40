"""A fine-tuning run from its config to a measured model directory, in order."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classifier.messages import message
from training.calibration.calibrating import measures_of_test
from training.checkpoints import last_good_checkpoint
from training.config import FinetuningConfig, TrainingConfig
from training.evaluation.evaluating import evaluate_in_detail
from training.finetuning.artefact import calibrate_exported, describe, export
from training.finetuning.facts import facts_of, track_facts
from training.finetuning.preparation import prepare
from training.hub import Hub, HubError, push_model
from training.hub.connection import require_repo_id
from training.learning.distribution import from_main, is_main_process, process_count
from training.learning.interpolation import interpolate, trained_weights
from training.learning.rehearsal import rehearse
from training.runs.export import draft_of, publish
from training.runs.history import train_loss, without_timings
from training.runs.names import require_new_name
from training.runs.observer import Observer
from training.runs.records import published_facts
from training.tracking import Tracker, tracked_run

if TYPE_CHECKING:
    from transformers import Trainer

REHEARSED_ROWS = 4


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
    pseudo_dir: Path = Path(),
    resume: bool = False,
    tracking_uri: str = "",
    observer: Observer | None = None,
) -> FinetuningResult:
    """Fine-tune, export, measure on the untouched test split, and write the artefact.

    Started as several processes, all train and the main one alone writes. The model's directory
    appears by one renaming when all in it is measured and described.

    Args:
        name: of the run and of the model; its directories are runs_dir/name, models_dir/name.
        pseudo_dir: where `pseudo_rows` is looked up.
        resume: go on from the run's last good checkpoint, or from its beginning where it has
            none, or only push where the model is there; a fresh run refuses a name that is taken.
        tracking_uri: of MLflow; empty tracks nothing.
        observer: told where the run is; what it raises ends the run.

    Raises:
        ConfigError: the name is taken, there is no such base model, or a rule is broken.
        DataError: the data cannot be used.
        ModelNotReady: the base model is missing or changed.
        TrainingStopped: by SIGTERM or a full disk; resume goes on.
        any error that the observer raises.
    """
    run_dir, model_dir = runs_dir / name, models_dir / name
    observer = observer or Observer()
    started = time.monotonic()
    main = is_main_process()
    if main and not resume:
        require_new_name(name, run_dir=run_dir, model_dir=model_dir)
    _require_repository(config)
    sections = config.to_sections()
    if resume and process_count() == 1 and (known := published_facts(model_dir, sections)):
        with _tracked(config, name, run_dir, tracking_uri) as tracker:
            track_facts(tracker, known, model_dir, run_dir)
        _push(config, model_dir, observer)
        return FinetuningResult(model_dir=model_dir, metrics=known["metrics"])
    observer.stage("preparing")
    prepared = prepare(
        config,
        models_dir=models_dir,
        runs_dir=runs_dir,
        datasets_dir=datasets_dir,
        pseudo_dir=pseudo_dir,
        run_dir=run_dir,
    )
    trainer = prepared.trainer
    for callback in observer.callbacks(trainer):
        trainer.add_callback(callback)
    observer.stage("rehearsing")
    untuned = _rehearse(trainer, config.training)

    from transformers import set_seed

    from classifier.model_files import ONNX_FACTS
    from classifier.onnx_export import export_if_possible

    start = trained_weights(trainer.model) if config.training.interpolate else None
    set_seed(config.training.seed)  # whatever was drawn before, and a resumed run draws less
    resumable = last_good_checkpoint(run_dir / "checkpoints") if main and resume else None
    checkpoint = from_main(resumable)
    with _tracked(config, name, run_dir, tracking_uri) as tracker:
        trainer.add_callback(tracker.callback())
        observer.stage("training")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        observer.stage("measuring")
        gone = interpolate(trainer, start, observer.check) if start else {}
        metrics = without_timings(
            {
                **untuned,
                **gone,
                "train_loss": train_loss(trainer.state.log_history),
                **trainer.evaluate(metric_key_prefix="validation"),
            }
        )
        if main:
            with draft_of(model_dir) as draft:
                observer.stage("exporting")
                export(prepared, config, run_dir, draft)
                calibration = calibrate_exported(prepared, config, run_dir, draft, observer)
                observer.stage("measuring")
                evaluation = evaluate_in_detail(
                    draft, prepared.splits.test, prepared.splits.labels, observer.check
                )
                if "temperature" in calibration:
                    calibration["test"] = measures_of_test(evaluation, calibration["temperature"])
                metrics |= {f"test_{key}": value for key, value in evaluation.measures.items()}
                facts = facts_of(prepared, config, metrics, calibration, started)
                describe(prepared, draft, run_dir, facts, evaluation)
                observer.stage("exporting")
                facts[ONNX_FACTS] = export_if_possible(draft)
                observer.before_publishing()
                publish(draft, model_dir)
            track_facts(tracker, facts, model_dir, run_dir)
    if main:
        _push(config, model_dir, observer)
    return FinetuningResult(model_dir=model_dir, metrics=from_main(metrics))


def _tracked(
    config: FinetuningConfig, name: str, run_dir: Path, tracking_uri: str
) -> AbstractContextManager[Tracker]:
    wanted = bool(tracking_uri) and is_main_process()
    experiment = config.publishing.experiment if wanted else ""
    return tracked_run(name, config.to_sections(), run_dir, tracking_uri, experiment)


def _rehearse(trainer: "Trainer", training: TrainingConfig) -> dict[str, float]:
    """Measure a few rows and save once, so that a doomed run dies in seconds and not at its end.

    Returns:
        What the untuned model got on `untuned_rows` rows drawn by seed, if that was asked for.
    """
    rows: Any = trainer.eval_dataset
    drawn = np.random.default_rng(training.seed).permutation(len(rows))
    few = rows.select(drawn[: training.untuned_rows or REHEARSED_ROWS])
    measured = rehearse(trainer, few, prefix="untuned")
    return measured if training.untuned_rows else {}


def _require_repository(config: FinetuningConfig) -> None:
    """Fail before hours of training where the push after it cannot work."""
    if config.publishing.push_to_hub:
        require_repo_id(config.publishing.push_to_hub)
        if not Hub.from_environment().token:
            raise HubError(
                message(
                    "Pushing needs a token with the right to write, but HF_TOKEN is not set. "
                    "Set it, or leave out --push-to-hub."
                )
            )


def _push(config: FinetuningConfig, model_dir: Path, observer: Observer) -> None:
    publishing = config.publishing
    if publishing.push_to_hub:
        observer.stage("pushing")
        observer.before_publishing()
        push_model(model_dir, publishing.push_to_hub, private=publishing.private)
