"""The model card, README.md beside the weights, written from what the run measured."""

from collections.abc import Mapping
from typing import Any

from classifier.rating_file import PROBABILITY, STARS
from training.calibration.facts import CALIBRATION, NAMES, calibration_tables
from training.config.paths import dataset_name
from training.data.provenance import SOURCES, sentences
from training.learning.interpolation import INTERPOLATION
from training.reporting.front_matter import base_of, front_matter, parameters_of, terms_of

SHOWN = {
    "accuracy": "accuracy",
    "f1": "F1",
    "f1_macro": "macro F1",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "majority_baseline": "always the commonest label",
    "calibration_error": NAMES["calibration_error"],
    **{name: title for name, title in NAMES.items() if name.startswith("rating_")},
}
# What is no measure of the model, but of its data, stays out of the model-index.
INDEXED = tuple(key for key in SHOWN if key != "majority_baseline")
TASK = {"type": "text-classification", "name": "Text Classification"}


def model_card(name: str, facts: Mapping[str, Any]) -> str:
    """The card of a model as Markdown with the front matter that the Hub reads.

    Args:
        facts: what finetuning writes to metrics.json; `base_licence`, where it is known, too.
    """
    config, metrics, rows = facts["config"], facts["metrics"], facts["rows"]
    table = "\n".join(
        f"| {title} | {_shown(metrics, 'validation', key)} | {_shown(metrics, 'test', key)} |"
        for key, title in SHOWN.items()
        if f"test_{key}" in metrics
    )
    data = dataset_name(config)
    return f"""{front_matter(facts, task=TASK["type"], **_model_index(name, data, metrics))}

# {name}

A text classifier fine-tuned by Reviewsite from {base_of(facts)}
on {data}. {terms_of(facts)}

## Measured

{rows["train"]} rows were trained on{_added(rows)},
{rows["validation"]} chose the checkpoint{_way(metrics)}, and
{rows["test"]} were touched once, at the end; none was left out. Validation rows were cut to
{config["model"]["max_length"]} tokens, test rows were read whole, in overlapping windows.

| | validation | test |
|---|---|---|
{table}

{calibration_section(facts.get(CALIBRATION, {}))}{_data(facts)}## Limits

It knows the kind of text it was trained on. {_limits(facts.get(CALIBRATION, {}))}

## Parameters

{parameters_of(config)}
"""


def _added(rows: Mapping[str, int]) -> str:
    told = {
        "pseudo_labelled": "labelled by models, not by people",
        "excerpts": "short excerpts of the others",
    }
    kinds = [f"{rows[kind]} of them {words}" for kind, words in told.items() if rows.get(kind)]
    return f" ({', '.join(kinds)})" if kinds else ""


def _way(metrics: Mapping[str, float]) -> str:
    """Where the weights lie that were interpolated; empty where they were not."""
    share = metrics.get(INTERPOLATION)
    return "" if share is None else f" and {share:.0%} of the way to it from where it began"


def calibration_section(facts: Mapping[str, Any]) -> str:
    """Markdown on what was fitted after training, and what that is worth; empty where nothing."""
    tables = calibration_tables(facts)
    if not tables:
        return ""
    parts = ["## Calibration", *(f"{table['note']}\n\n{_table(table)}" for table in tables)]
    return "\n\n".join(parts[: 2 if not tables[1]["rows"] else None]) + "\n\n"


def _limits(calibration: Mapping[str, Any]) -> str:
    if calibration.get("map") in (PROBABILITY, STARS):
        return (
            "Its ratings mean what the stars of its validation rows\nmean; people who rate other "
            "things give their stars otherwise."
        )
    return (
        "Its scores are softmax probabilities; a rating made\nof them says how sure the model is, "
        "not how many stars people would give."
    )


def _table(table: Mapping[str, Any]) -> str:
    lines = [table["heads"], ["---"] * len(table["heads"]), *table["rows"]]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _data(facts: Mapping[str, Any]) -> str:
    """Where the rows came from, where that is known of each."""
    provenance = facts.get("provenance")
    if not provenance:
        return ""
    table = "\n".join(
        f"| {split} | {' | '.join(f'{counts[source]:,}' for source in SOURCES)} |"
        for split, counts in provenance["rows"].items()
    )
    said = "\n".join(f"- {sentence}" for sentence in sentences(provenance))
    return f"""## Data

| | {" | ".join(SOURCES.values())} |
|---|{"---|" * len(SOURCES)}
{table}

{said}

"""


def _model_index(name: str, data: str, metrics: Mapping[str, float]) -> dict[str, Any]:
    """The measures of the untouched test split in the form of Papers with Code."""
    measured = [
        {"type": key, "name": SHOWN[key], "value": round(metrics[f"test_{key}"], 6)}
        for key in INDEXED
        if f"test_{key}" in metrics
    ]
    if not measured:
        return {}
    dataset = {"name": data, "type": data, "split": "test"}
    result = {"task": TASK, "dataset": dataset, "metrics": measured}
    return {"model-index": [{"name": name, "results": [result]}]}


def _shown(metrics: Mapping[str, float], split: str, key: str) -> str:
    value = metrics.get(f"{split}_{key}")
    return "" if value is None else f"{value:.4f}"
