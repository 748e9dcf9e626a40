"""The report of a run: one HTML file that needs nothing beside it, and runs no script."""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from django.template import Context, Engine

from training.calibration.facts import CALIBRATION, calibration_tables
from training.comparison import PREDICTIONS, save_predictions
from training.evaluation.metrics import MEASURES, Evaluation
from training.evaluation.rating_measures import RATING_MEASURES
from training.reporting.plots import draw_evaluation, draw_loss
from training.runs.export import write_json

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
REPORT = "report.html"
EVALUATION = "evaluation.json"
PREFIXES = ("untuned", "train", "validation", "test")  # by what a measure of a run is named
SHOWN_LABELS = 12  # a confusion matrix up to this size is a table too
SHOWN_CONFUSIONS = 15


def save_evaluation(
    directory: Path,
    *,
    facts: Mapping[str, Any],
    evaluation: Evaluation,
    frame: pd.DataFrame,
    history: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """Write all that was measured: report.html, pictures/, evaluation.json, predictions.parquet.

    The report and evaluation.json quote texts of the data, so they belong with the run and not
    with the model that is published.

    Args:
        facts: as write_report takes them.
        frame: the rows that were measured, in the order of the evaluation.
        history: `trainer.state.log_history`, for the loss curve.

    Returns:
        The report's path.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pictures = draw_evaluation(evaluation, directory / "pictures")
    if history:
        pictures["Loss"] = draw_loss(history, directory / "pictures" / "loss.png")
    write_json(directory / EVALUATION, evaluation.to_dict())
    save_predictions(
        directory / PREDICTIONS,
        frame,
        labels=evaluation.labels,
        label_ids=evaluation.label_ids,
        probabilities=evaluation.probabilities,
        ratings=evaluation.ratings,
    )
    write_report(directory / REPORT, facts, evaluation, pictures)
    return directory / REPORT


def write_report(
    path: Path,
    facts: Mapping[str, Any],
    evaluation: Evaluation,
    pictures: Mapping[str, Path],
) -> None:
    """Write the report of one run to `path`; it appears whole or not at all.

    Args:
        facts: what finetuning writes to metrics.json, of which `config` becomes the parameters
            and `metrics` the columns beside the evaluation's own; `name` becomes the title.
        pictures: title and PNG file of each picture.
    """
    # An engine of its own: no request, no settings, and autoescape whatever the site has.
    engine = Engine(dirs=[str(TEMPLATES)], autoescape=True)
    draft = path.with_name(f".{path.name}.draft")
    draft.write_text(
        engine.get_template("training/report.html").render(
            # Numbers come formatted, so that no locale writes 0,8470.
            Context(_content(facts, evaluation, pictures), use_l10n=False, use_tz=False)
        ),
        encoding="utf-8",
    )
    os.replace(draft, path)


def _content(
    facts: Mapping[str, Any], evaluation: Evaluation, pictures: Mapping[str, Path]
) -> dict[str, Any]:
    heads, metrics = _metrics(facts.get("metrics", {}), evaluation)
    return {
        "title": str(facts.get("name", "Evaluation")),
        "facts": [
            (key.replace("_", " "), _shown(value))
            for key, value in facts.items()
            if key not in ("name", "config", "metrics", CALIBRATION) and value != ""
        ],
        "config": [
            (section, [(key, _shown(value)) for key, value in values.items()])
            for section, values in facts.get("config", {}).items()
        ],
        "metric_heads": heads,
        "metrics": metrics,
        "tables": [
            table
            for table in (*calibration_tables(facts.get(CALIBRATION, {})), *_tables(evaluation))
            if table["rows"]
        ],
        "pictures": [
            (name, "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode("ascii"))
            for name, file in pictures.items()
        ],
        "errors": [
            asdict(error)
            | {"row": f"{error.row:,}", "score": f"{error.score:.3f}", "loss": f"{error.loss:.2f}"}
            for error in evaluation.errors
        ],
    }


def _metrics(
    metrics: Mapping[str, float], evaluation: Evaluation
) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Heads and rows of the measures' table: a column a split, or one where there is no split."""
    found: dict[str, Mapping[str, float]] = {
        split: {
            key.removeprefix(f"{split}_"): value
            for key, value in metrics.items()
            if key.startswith(f"{split}_")
        }
        for split in PREFIXES
    }
    columns = {split: values for split, values in found.items() if values}
    # The evaluation is that of the test split where a run has splits.
    columns["test" if columns else "measured"] = evaluation.measures
    names = [
        name
        for name in ("rows", "loss", *MEASURES)
        if any(name in values for values in columns.values())
    ]
    return list(columns), [
        (name.replace("_", " "), [_measure(name, values.get(name)) for values in columns.values()])
        for name in names
    ]


def _tables(evaluation: Evaluation) -> list[dict[str, Any]]:
    labels = evaluation.labels
    small = len(labels) <= SHOWN_LABELS
    # A row of one cell of stars has no rank correlation.
    names = [name for name in RATING_MEASURES if name != "rating_spearman"]
    rated = {name.replace("_", " "): name for name in names} if evaluation.ratings else {}
    return [
        {
            "title": "By label",
            "heads": ["label", "rows", "given", "precision", "recall", "F1"],
            "rows": [
                [
                    item.label,
                    f"{item.rows:,}",
                    f"{item.given:,}",
                    *(f"{value:.4f}" for value in (item.precision, item.recall, item.f1)),
                ]
                for item in evaluation.classes
            ],
        },
        {
            "title": "By length",
            "heads": ["tokens", "rows", "accuracy", "macro F1", "calibration error", *rated],
            "rows": [
                [
                    f"{item.shortest:,} to {item.longest:,}"
                    if item.longest
                    else f"{item.shortest:,} and more",
                    f"{item.rows:,}",
                    f"{item.accuracy:.4f}",
                    f"{item.f1_macro:.4f}",
                    f"{item.calibration_error:.4f}",
                    *(_measure(name, item.ratings.get(name)) for name in rated.values()),
                ]
                for item in evaluation.slices
            ],
        },
        {
            "title": "By stars",
            "heads": ["stars", "rows", *rated],
            "rows": [
                [
                    f"{low}" if low == high else f"{low} to {high}",
                    f"{measures['rating_rows']:,.0f}",
                    *(_measure(name, measures.get(name)) for name in rated.values()),
                ]
                for (low, high), measures in (
                    evaluation.ratings.by_stars().items() if evaluation.ratings else ()
                )
            ],
        },
        {
            "title": "Confusion",
            "note": "A row is a true label, a column the label given.",
            "heads": ["", *labels],
            "rows": [
                [label, *(f"{count:,}" for count in counts)]
                for label, counts in zip(labels, evaluation.confusion, strict=True)
            ]
            if small
            else [],
        },
        {
            "title": "Commonest mistakes",
            "heads": ["true label", "label given", "rows"],
            "rows": []
            if small
            else [
                [true, given, f"{count:,}"]
                for true, given, count in evaluation.confusions()[:SHOWN_CONFUSIONS]
            ],
        },
    ]


def _measure(name: str, value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if name == "rows" else f"{value:.4f}"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
