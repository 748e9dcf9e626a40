"""A new model out of one that is there: the same, calibrated on other rows."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.artefact import Artefact
from classifier.messages import message
from classifier.model_files import GRAPH, METRICS, PICTURES, metrics_of
from training.calibration.calibrating import CalibrationRows, calibrate
from training.calibration.errors import CalibrationError
from training.calibration.facts import CALIBRATION
from training.calibration.fitting import Wanted
from training.config import REVIEWED
from training.reporting.card import calibration_section, model_card
from training.runs.export import draft_of, publish, write_json
from training.runs.names import require_new_name

CARD = "README.md"
OF_RUN = {"config", "metrics", "rows", "base_model", "base_revision"}  # what a card is written from


@dataclass(frozen=True)
class Recalibrated:
    directory: Path
    facts: dict[str, Any]
    """As calibrate gives them."""


def recalibrate(
    artefact: Artefact,
    rows: CalibrationRows,
    *,
    name: str,
    models_dir: Path,
    runs_dir: Path,
    rating: Wanted = "auto",
    interval: float = 0.8,
    engine: str = "auto",
) -> Recalibrated:
    """Copy a model to models_dir/name, calibrate the copy and export its graph.

    The model itself stays as it is. Its measures that a calibration changes are left out of the
    copy's metrics.json: nobody measured them.

    Args:
        rating, interval, engine: as calibrate takes them.

    Raises:
        ConfigError: the name is taken or none.
        CalibrationError: too few rows, rows that it was trained on, or no known last layer.
        ModelNotReady, DataError: as calibrate.
    """
    model_dir = models_dir / name
    require_new_name(name, run_dir=runs_dir / name, model_dir=model_dir)
    known = metrics_of(artefact.directory)
    known.pop(PICTURES, None)  # of the model before
    if rows.dataset == REVIEWED and _dataset_of(known) == REVIEWED:
        raise CalibrationError(
            message(
                "A model is calibrated on rows that it was not trained on, but {name} was "
                "trained on verdicts. Give --dataset, or serve it as it is: finetune has "
                "calibrated it.",
                name=artefact.name,
            )
        )

    from classifier.onnx_export import export_if_possible

    with draft_of(model_dir) as draft:
        graphs = Path(GRAPH).parts[0]
        shutil.copytree(artefact.directory, draft, ignore=shutil.ignore_patterns(graphs, ".*"))
        facts = calibrate(draft, rows, rating=rating, interval=interval, engine=engine)
        content = known | {
            CALIBRATION: facts,
            "calibrated_from": f"{artefact.name}@{artefact.revision()}",
            "metrics": _unchanged(known.get("metrics", {}), facts),
        }
        write_json(draft / METRICS, content)
        (draft / CARD).write_text(_card(name, content, draft / CARD), encoding="utf-8")
        export_if_possible(draft)
        publish(draft, model_dir)
    return Recalibrated(model_dir, facts)


def _dataset_of(facts: dict[str, Any]) -> str:
    return str(facts.get("config", {}).get("data", {}).get("dataset", ""))


def _unchanged(metrics: dict[str, float], facts: dict[str, Any]) -> dict[str, float]:
    """Measures that no temperature changes; none where long texts are combined otherwise now."""
    if facts["window_rule"] != facts["window_rule_before"]:
        return {}
    return {
        key: value
        for key, value in metrics.items()
        if not key.endswith(("calibration_error", "_loss")) and "_rating_" not in key
    }


def _card(name: str, facts: dict[str, Any], old: Path) -> str:
    """The card written anew where it is known of what, else the old one with what was fitted."""
    if facts.keys() >= OF_RUN:
        return model_card(name, facts)
    text = old.read_text(encoding="utf-8", errors="replace") if old.is_file() else f"# {name}\n"
    section = calibration_section(facts[CALIBRATION])
    before, heading, after = text.partition("## Calibration\n")
    rest = after.partition("\n## ") if heading else ("", "", "")
    return f"{before.rstrip()}\n\n{section}" + (f"## {rest[2]}" if rest[1] else "")
