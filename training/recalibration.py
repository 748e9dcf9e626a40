"""A new model out of one that is there: the same, calibrated on other rows."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from django.conf import settings

from classifier.artefact import Artefact, open_artefact
from classifier.labels import NEGATIVE, POSITIVE
from classifier.model_files import GRAPH, METRICS, metrics_of
from classifier.model_store import artefact_of
from classifier.models import ModelVersion, Verdict
from classifier.review.split import TRAIN, learnable
from training.calibration.calibrating import CalibrationRows, calibrate
from training.calibration.errors import CalibrationError
from training.calibration.facts import CALIBRATION
from training.calibration.fitting import Wanted
from training.card import calibration_section, model_card
from training.config import REVIEWED
from training.export import draft_of, publish, write_json
from training.names import require_new_name

LEAST_VERDICTS = 50
CARD = "README.md"
OF_RUN = {"config", "metrics", "rows", "base_model", "base_revision"}  # what a card is written from


@dataclass(frozen=True)
class Recalibrated:
    directory: Path
    facts: dict[str, Any]
    """As calibrate gives them."""


def recalibrate(
    model: str,
    rows: CalibrationRows,
    *,
    name: str,
    rating: Wanted = "auto",
    interval: float = 0.8,
    engine: str = "auto",
) -> Recalibrated:
    """Copy a model to MODELS_DIR/name, calibrate the copy and export its graph.

    The model itself stays as it is. Its measures that a calibration changes are left out of the
    copy's metrics.json: nobody measured them.

    Args:
        model: as find_model takes it.
        rating, interval, engine: as calibrate takes them.

    Raises:
        ConfigError: the name is taken or none.
        CalibrationError: too few rows, rows that it was trained on, or no known last layer.
        ModelNotReady, DataError: as calibrate.
    """
    model_dir = Path(settings.MODELS_DIR) / name
    require_new_name(name, run_dir=Path(settings.RUNS_DIR) / name, model_dir=model_dir)
    artefact = find_model(model)
    known = metrics_of(artefact.directory)
    if rows.dataset == REVIEWED and _dataset_of(known) == REVIEWED:
        raise CalibrationError(
            "A model is calibrated on rows that it was not trained on, but "
            f"{artefact.name} was trained on verdicts. Give --dataset, or serve it as it is: "
            "finetune has calibrated it."
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


def find_model(model: str) -> Artefact:
    """The model that is called so: a version name@revision, "starter", a name, or a directory.

    Raises:
        ModelNotReady: there is none, or it lacks what a classifier needs.
    """
    name, _, revision = model.rpartition("@")
    version = ModelVersion.objects.filter(name=name, revision=revision).first() if name else None
    if version:
        return artefact_of(version)
    return open_artefact(model, models_dir=settings.MODELS_DIR)


def verdict_rows() -> CalibrationRows:
    """The verdicts that say what is true of any text: not frozen, and not chosen by the answer.

    Those that a visitor's complaint led to are left out: among them the model is wrong more often
    than elsewhere, however sure it is.

    Raises:
        CalibrationError: fewer than LEAST_VERDICTS.
    """
    verdicts = learnable().exclude(chosen_by=Verdict.ChosenBy.DISAGREED)
    found = list(verdicts.order_by("pk").values_list("prediction__text", "label", "rating"))
    if len(found) < LEAST_VERDICTS:
        raise CalibrationError(
            f"Calibrating on verdicts needs {LEAST_VERDICTS} or more that are not frozen and not "
            f"led to by a complaint, but there are {len(found)}. Review more, or give --dataset."
        )
    labels = (NEGATIVE, POSITIVE)
    frame = pd.DataFrame(
        [(text, labels.index(label), rating, rating) for text, label, rating in found],
        columns=["text", "label", "star_low", "star_high"],
    )
    return CalibrationRows(frame, labels, dataset=REVIEWED, split=TRAIN)


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
