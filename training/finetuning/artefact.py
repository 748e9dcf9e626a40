"""The model that a run leaves: exported, calibrated on validation rows, described."""

from pathlib import Path
from typing import Any

from classifier.model_files import METRICS, PICTURES
from training.calibration.calibrating import CalibrationRows, calibrate_if_possible
from training.checkpoints import model_bytes, room_required
from training.config import FinetuningConfig
from training.config.paths import dataset_name
from training.evaluation.curve_points import curve_points
from training.evaluation.metrics import Evaluation
from training.finetuning.preparation import Preparation
from training.learning.adapters import ADAPTER
from training.reporting.card import model_card
from training.reporting.report import save_evaluation
from training.runs.export import save_adapter, save_artefact, write_json
from training.runs.observer import Observer

REPORT_BYTES = 5_000_000  # the report with its pictures, about


def export(prepared: Preparation, config: FinetuningConfig, run_dir: Path, draft: Path) -> None:
    """Write the trained model into `draft`, and its adapter beside the run, if it has one."""
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


def calibrate_exported(
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
    asked, adapter = config.calibration, run_dir / ADAPTER
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


def describe(
    prepared: Preparation,
    draft: Path,
    run_dir: Path,
    facts: dict[str, Any],
    evaluation: Evaluation,
) -> None:
    """Write metrics and card of the exported model, and the run's report."""
    name = draft.name
    write_json(draft / METRICS, facts | {PICTURES: curve_points(evaluation)})
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
