"""A fine-tuning run from its config to a measured model directory, in order."""

import logging
import tempfile
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training import records
from training.adapters import ADAPTER, find_adapter
from training.augmentation import augment_rows
from training.bases import Base, find_base
from training.calibration.calibrating import (
    CalibrationRows,
    calibrate_if_possible,
    measures_of_test,
)
from training.calibration.facts import CALIBRATION
from training.card import dataset_name, licence_of, model_card, without_paths
from training.checkpoints import last_good_checkpoint, model_bytes, room_required
from training.config import FinetuningConfig, TrainingConfig
from training.data import LabelledSplits, load_splits
from training.distribution import from_main, is_main_process, join, process_count
from training.evaluation import evaluate_in_detail
from training.export import draft_of, publish, save_adapter, save_artefact, write_json
from training.history import train_loss, without_timings
from training.hub import Hub, HubError, push_model
from training.hub.connection import require_repo_id
from training.metrics import Evaluation
from training.names import require_new_name
from training.observer import Observer
from training.provenance import provenance_of
from training.pseudo_rows import PSEUDO_LABELLED, add_pseudo_rows, read_pseudo_rows
from training.report import save_evaluation
from training.targets import SOFT_LABELS, with_targets
from training.tokenization import tokenize
from training.tracking import Tracker, tracked_run

if TYPE_CHECKING:
    import pandas as pd
    from transformers import Trainer

logger = logging.getLogger(__name__)

REHEARSED_ROWS = 4
REPORT_BYTES = 5_000_000  # the report with its pictures, about


@dataclass(frozen=True)
class FinetuningResult:
    model_dir: Path
    """Loads with transformers.pipeline("text-classification", model=model_dir)."""
    metrics: dict[str, float]
    """Measures of validation and test, each named with its split."""


@dataclass(frozen=True)
class Preparation:
    """All that a run needs for its first step."""

    splits: LabelledSplits
    base: Base
    rows: "pd.DataFrame"
    """The training rows with what augmentation added."""
    trainer: "Trainer"
    stars: bool
    """Whether the model's last layer has ten outputs more, one a rating."""


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
    if resume and process_count() == 1 and (known := records.published_facts(model_dir, sections)):
        with _tracked(config, name, run_dir, tracking_uri) as tracker:
            _track_facts(tracker, known, model_dir, run_dir)
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

    set_seed(config.training.seed)  # whatever was drawn before, and a resumed run draws less
    resumable = last_good_checkpoint(run_dir / "checkpoints") if main and resume else None
    checkpoint = from_main(resumable)
    with _tracked(config, name, run_dir, tracking_uri) as tracker:
        trainer.add_callback(tracker.callback())
        observer.stage("training")
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        observer.stage("measuring")
        metrics = without_timings(
            {
                **untuned,
                "train_loss": train_loss(trainer.state.log_history),
                **trainer.evaluate(metric_key_prefix="validation"),
            }
        )
        if main:
            with draft_of(model_dir) as draft:
                observer.stage("exporting")
                _export(prepared, config, run_dir, draft)
                calibration = _calibrate(prepared, config, run_dir, draft, observer)
                observer.stage("measuring")
                evaluation = evaluate_in_detail(
                    draft, prepared.splits.test, prepared.splits.labels, observer.check
                )
                if "temperature" in calibration:
                    calibration["test"] = measures_of_test(evaluation, calibration["temperature"])
                metrics |= {f"test_{key}": value for key, value in evaluation.measures.items()}
                facts = _facts(prepared, config, metrics, calibration, started)
                _describe(prepared, draft, run_dir, facts, evaluation)
                observer.stage("exporting")
                facts[ONNX_FACTS] = export_if_possible(draft)
                observer.before_publishing()
                publish(draft, model_dir)
            _track_facts(tracker, facts, model_dir, run_dir)
    if main:
        _push(config, model_dir, observer)
    return FinetuningResult(model_dir=model_dir, metrics=from_main(metrics))


def prepare(
    config: FinetuningConfig,
    *,
    models_dir: Path,
    runs_dir: Path,
    datasets_dir: Path,
    run_dir: Path,
    pseudo_dir: Path = Path(),
) -> Preparation:
    """Read the data, open the base model, augment, tokenize, and build the Trainer.

    `run_dir` gets the parameters and the augmented rows; those that are there are read again.

    Raises:
        as run_finetuning.
    """
    splits = load_splits(config.data, datasets_dir=datasets_dir, seed=config.training.seed)
    logger.info("Rows: %s; labels: %s", splits.sizes(), ", ".join(splits.labels))

    # Here, not at the top: loading transformers takes seconds, and bad data fails before.
    from transformers import set_seed

    from training.trainer import build_trainer, learns_stars, load_base, trains_on_cpu

    join(cpu=trains_on_cpu(config.training))
    base = find_base(config.model, models_dir=models_dir)
    set_seed(config.training.seed)
    stars = learns_stars(config.model, splits.train, splits.labels)
    adapter = find_adapter(config.model.adapter, runs_dir=runs_dir)
    model, tokenizer = load_base(base, config.model, splits.labels, stars=stars, adapter=adapter)
    if is_main_process():
        run_dir.mkdir(parents=True, exist_ok=True)
        write_json(run_dir / records.CONFIG, config.to_sections())
    rows = _training_rows(splits, config, run_dir)
    if config.distillation.pseudo_rows:
        place = pseudo_dir / config.distillation.pseudo_rows
        rows = add_pseudo_rows(rows, read_pseudo_rows(place, splits.labels), splits)
    train, validation = (
        tokenize(with_targets(frame, splits.labels, stars=stars), tokenizer, config.model)
        for frame in (rows, splits.validation)
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
    return Preparation(splits=splits, base=base, rows=rows, trainer=trainer, stars=stars)


def recorded_config(runs_dir: Path, name: str) -> FinetuningConfig:
    """The parameters that the run `name` was started with.

    Raises:
        ConfigError: there is no such run.
    """
    return records.recorded_config(FinetuningConfig, runs_dir, name)


def _tracked(
    config: FinetuningConfig, name: str, run_dir: Path, tracking_uri: str
) -> AbstractContextManager[Tracker]:
    wanted = bool(tracking_uri) and is_main_process()
    experiment = config.publishing.experiment if wanted else ""
    return tracked_run(name, config.to_sections(), run_dir, tracking_uri, experiment)


def _track_facts(tracker: Tracker, facts: dict[str, Any], model_dir: Path, run_dir: Path) -> None:
    tracker.tags(
        {
            "base_model": facts["base_model"],
            "base_revision": facts["base_revision"],
            "dataset": facts["config"]["data"]["dataset"],
            **{f"rows.{split}": count for split, count in facts["rows"].items()},
        }
    )
    tracker.metrics(facts["metrics"])
    for path in (model_dir, run_dir / "report.html", run_dir / "pictures"):
        tracker.artefact(path)


def _training_rows(splits: LabelledSplits, config: FinetuningConfig, run_dir: Path) -> Any:
    """The training rows with what augmentation adds; kept, so that a resumed run has the same."""
    import pandas as pd

    kept = run_dir / "training-rows.parquet"
    if config.augmentation.generate == "none" and config.augmentation.balance == "none":
        return splits.train
    if is_main_process() and not kept.is_file():
        rows = augment_rows(
            splits.train,
            config.augmentation,
            labels=splits.labels,
            seed=config.training.seed,
            device=config.training.device,
        )
        draft = kept.with_name(f".{kept.name}.draft")
        rows.to_parquet(draft)
        draft.replace(kept)  # a kill leaves no half of it
    from_main(None)  # the others wait until the file is there
    return pd.read_parquet(kept)


def _require_repository(config: FinetuningConfig) -> None:
    """Fail before hours of training where the push after it cannot work."""
    if config.publishing.push_to_hub:
        require_repo_id(config.publishing.push_to_hub)
        if not Hub.from_environment().token:
            raise HubError(
                "Pushing needs a token with the right to write, but HF_TOKEN is not set. Set it, "
                "or leave out --push-to-hub."
            )


def _rehearse(trainer: "Trainer", training: TrainingConfig) -> dict[str, float]:
    """Measure a few rows and save once, so that a doomed run dies in seconds and not at its end.

    Returns:
        What the untuned model got on `untuned_rows` rows drawn by seed, if that was asked for.
    """
    rows: Any = trainer.eval_dataset
    drawn = np.random.default_rng(training.seed).permutation(len(rows))
    measured = trainer.evaluate(
        rows.select(drawn[: training.untuned_rows or REHEARSED_ROWS]), metric_key_prefix="untuned"
    )
    with tempfile.TemporaryDirectory() as directory:
        trainer.save_model(directory)
    if process_count() > 1:
        # accelerate takes a model that it prepared for an evaluation as prepared for training too,
        # and each process would train alone.
        model: Any = trainer.model
        model._is_accelerate_prepared = False
    return measured if training.untuned_rows else {}


def _export(prepared: Preparation, config: FinetuningConfig, run_dir: Path, draft: Path) -> None:
    from classifier.star_head import narrow, write_star_head

    base = prepared.base
    model: Any = prepared.trainer.model
    tokenizer: Any = prepared.trainer.processing_class
    with room_required(draft.parent, model_bytes(model)):
        head = narrow(model) if prepared.stars else None
        adapter = run_dir / ADAPTER
        if config.model.method == "lora":
            save_adapter(model, adapter, base_name=base.name, base_revision=base.revision)
        save_artefact(model, tokenizer, draft)
        if head:
            for directory in filter(Path.is_dir, (adapter, draft)):
                write_star_head(head, directory)


def _calibrate(
    prepared: Preparation,
    config: FinetuningConfig,
    run_dir: Path,
    draft: Path,
    observer: Observer,
) -> dict[str, Any]:
    """Calibrate the exported model and its adapter on the validation rows, read whole.

    Returns:
        As calibrate_if_possible; empty where it is not asked for.
    """
    asked, adapter = config.calibration, run_dir / "adapter"
    if not asked.calibrate:
        return {}
    observer.stage("calibrating")
    return calibrate_if_possible(
        draft,
        CalibrationRows(
            prepared.splits.validation,
            prepared.splits.labels,
            dataset=dataset_name(config.to_sections()),
        ),
        rating=asked.rating,
        interval=asked.rating_interval,
        adapter=adapter if config.model.method == "lora" else None,
        each_chunk=observer.check,
    )


def _describe(
    prepared: Preparation,
    draft: Path,
    run_dir: Path,
    facts: dict[str, Any],
    evaluation: Evaluation,
) -> None:
    """Write metrics and card of the exported model, and the run's report."""
    name = draft.name
    write_json(draft / "metrics.json", facts)
    (draft / "README.md").write_text(model_card(name, facts), encoding="utf-8")
    # Into the run's directory: it quotes texts of the data, which must not reach the Hub.
    with room_required(run_dir, REPORT_BYTES):
        save_evaluation(
            run_dir,
            facts={"name": name, **facts},
            evaluation=evaluation,
            frame=prepared.splits.test,
            history=prepared.trainer.state.log_history,
        )


def _push(config: FinetuningConfig, model_dir: Path, observer: Observer) -> None:
    publishing = config.publishing
    if publishing.push_to_hub:
        observer.stage("pushing")
        observer.before_publishing()
        push_model(model_dir, publishing.push_to_hub, private=publishing.private)


def _facts(
    prepared: Preparation,
    config: FinetuningConfig,
    metrics: dict[str, float],
    calibration: dict[str, Any],
    started: float,
) -> dict[str, Any]:
    """What metrics.json, the card, the report and MLflow say of the run.

    Args:
        started: of the run, by time.monotonic().
    """
    base = prepared.base
    provenance = provenance_of(prepared.splits, config.data.dataset)
    rows = prepared.splits.sizes() | {"train": len(prepared.rows)}
    if SOFT_LABELS in prepared.rows:
        rows[PSEUDO_LABELLED] = int(prepared.rows[SOFT_LABELS].notna().sum())
    return {
        "metrics": metrics,
        "rows": rows,
        **({CALIBRATION: calibration} if calibration else {}),
        **({"provenance": provenance} if provenance else {}),
        "base_model": base.name,
        "base_revision": base.revision,
        "base_licence": licence_of(Path(base.source)) if Path(base.source).is_dir() else "",
        "seconds": round(time.monotonic() - started),
        "config": without_paths(config.to_sections()),
    }
