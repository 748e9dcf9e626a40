"""What metrics.json, the card, the report and MLflow say of a run."""

import time
from pathlib import Path
from typing import Any

from classifier.task import TEXT_PAIR
from training.calibration.facts import CALIBRATION
from training.config import FinetuningConfig
from training.config.paths import without_paths
from training.data.provenance import provenance_of
from training.finetuning.preparation import Preparation
from training.tracking import Tracker


def facts_of(
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
    provenance = provenance_of(prepared.splits, config.data.dataset)
    rows = prepared.splits.sizes() | {"train": len(prepared.rows)} | prepared.added()
    return {
        "metrics": metrics,
        "rows": rows,
        TEXT_PAIR: bool(config.data.text_pair_column),
        **({CALIBRATION: calibration} if calibration else {}),
        **({"provenance": provenance} if provenance else {}),
        **prepared.base.facts(),
        "seconds": round(time.monotonic() - started),
        "config": without_paths(config.to_sections()),
    }


def track_facts(tracker: Tracker, facts: dict[str, Any], model_dir: Path, run_dir: Path) -> None:
    """Tell MLflow of a run's rows and measures, and give it the model and the report."""
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
