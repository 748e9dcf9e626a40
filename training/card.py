"""The model card, README.md beside the weights, written from what the run measured."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from classifier.rating_file import PROBABILITY, STARS
from classifier.starter import base as minilm
from training.calibration.facts import CALIBRATION, NAMES, calibration_tables
from training.provenance import SOURCES, sentences

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
LICENCES = {minilm.NAME: "apache-2.0"}
DATA_FILES = (".csv", ".jsonl", ".parquet")
TASK = {"type": "text-classification", "name": "Text Classification"}
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)
_LICENCE_LINE = re.compile(r"^license:[ \t]*[\"']?([\w.-]+)[\"']?[ \t]*$", re.MULTILINE)


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
    revision = f" (revision {facts['base_revision']})" if facts["base_revision"] else ""
    licence = licence_in(facts)
    terms = (
        f"The base model's licence is {licence}."
        if licence
        else "The base model's licence is not known here; look it up before you share this model."
    )
    return f"""---
{_front_matter(name, facts)}---

# {name}

A text classifier fine-tuned by Reviewsite from {facts["base_model"]}{revision}
on {dataset_name(config)}. {terms}

## Measured

{rows["train"]} rows were trained on{_pseudo_labelled(rows)},
{rows["validation"]} chose the checkpoint, and
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


def _pseudo_labelled(rows: Mapping[str, int]) -> str:
    count = rows.get("pseudo_labelled")
    return f" ({count} of them labelled by models, not by people)" if count else ""


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


def parameters_of(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """A config's parameters as a list, those left out that are empty."""
    return "\n".join(
        f"- {key}: {value}"
        for section in without_paths(sections).values()
        for key, value in section.items()
        if value != ""
    )


def without_paths(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """A config's sections with every path of this machine cut to its last part.

    What is pushed tells nobody how the folders of this machine are called.
    """
    return {
        section: {key: _last_part(value) for key, value in values.items()}
        for section, values in sections.items()
    }


def dataset_name(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """What the data set is called: a Hub id or a name as it is, of a file or a folder the name."""
    name = str(_last_part(sections["data"]["dataset"]))
    return Path(name).stem if name.endswith(DATA_FILES) else name


def licence_of(model_dir: Path) -> str:
    """The licence that the card of a base model names, "" where it names none."""
    card = model_dir / "README.md"
    if not card.is_file():
        return ""
    # Front matter alone: the text of a card may speak of other licences.
    front = card.read_text(encoding="utf-8", errors="replace").split("---", 2)
    found = _LICENCE_LINE.search(front[1]) if len(front) == 3 and not front[0].strip() else None
    return found[1] if found else ""


def _front_matter(name: str, facts: Mapping[str, Any]) -> str:
    """YAML, with the measures of the untouched test split in the form of Papers with Code.

    Form: https://github.com/huggingface/hub-docs/blob/main/modelcard.md
    """
    import yaml

    data = dataset_name(facts["config"])
    front: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": TASK["type"]}
    if licence := licence_in(facts):
        front["license"] = licence
    # The Hub refuses a card whose base_model or datasets are not ids of it.
    if HUB_ID.fullmatch(facts["base_model"]):
        front |= {"base_model": facts["base_model"], "base_model_relation": "finetune"}
    if HUB_ID.fullmatch(data):
        front["datasets"] = [data]
    front["tags"] = ["reviewsite"]
    measured = [
        {"type": key, "name": SHOWN[key], "value": round(facts["metrics"][f"test_{key}"], 6)}
        for key in INDEXED
        if f"test_{key}" in facts["metrics"]
    ]
    if measured:
        dataset = {"name": data, "type": data, "split": "test"}
        result = {"task": TASK, "dataset": dataset, "metrics": measured}
        front["model-index"] = [{"name": name, "results": [result]}]
    return yaml.safe_dump(front, sort_keys=False, allow_unicode=True)


def licence_in(facts: Mapping[str, Any]) -> str:
    """The licence of the base model that a run's facts give, "" where it is not known."""
    return str(facts.get("base_licence") or LICENCES.get(facts["base_model"], ""))


def _last_part(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    local = value.startswith(("/", "~", ".")) or "\\" in value or value.count("/") > 1
    if local or value.endswith(DATA_FILES) or ("/" in value and Path(value).exists()):
        return re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    return value


def _shown(metrics: Mapping[str, float], split: str, key: str) -> str:
    value = metrics.get(f"{split}_{key}")
    return "" if value is None else f"{value:.4f}"
