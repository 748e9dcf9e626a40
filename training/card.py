"""The model card, README.md beside the weights, written from what the run measured."""

from collections.abc import Mapping
from typing import Any

SHOWN = {
    "accuracy": "accuracy",
    "f1": "F1",
    "f1_macro": "macro F1",
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "majority_baseline": "always the commonest label",
}


def model_card(name: str, facts: Mapping[str, Any]) -> str:
    """The card of a model as Markdown with the front matter that the Hub reads.

    Args:
        facts: what finetuning writes to metrics.json.
    """
    config, metrics, rows = facts["config"], facts["metrics"], facts["rows"]
    table = "\n".join(
        f"| {title} | {_shown(metrics, 'validation', key)} | {_shown(metrics, 'test', key)} |"
        for key, title in SHOWN.items()
        if f"test_{key}" in metrics
    )
    parameters = "\n".join(
        f"- {key}: {value}"
        for section in config.values()
        for key, value in section.items()
        if value != ""
    )
    revision = f" (revision {facts['base_revision']})" if facts["base_revision"] else ""
    return f"""---
library_name: transformers
pipeline_tag: text-classification
base_model: {facts["base_model"]}
---

# {name}

A text classifier fine-tuned by Reviewsite from {facts["base_model"]}{revision}
on {config["data"]["dataset"]}.

## Measured

{rows["train"]} rows were trained on, {rows["validation"]} chose the checkpoint, and
{rows["test"]} were touched once, at the end; none was left out. Validation rows were cut to
{config["model"]["max_length"]} tokens, test rows were read whole, in overlapping windows.

| | validation | test |
|---|---|---|
{table}

## Limits

It knows the kind of text it was trained on. Its scores are softmax probabilities; a rating made
of them says how sure the model is, not how many stars people would give.

## Parameters

{parameters}
"""


def _shown(metrics: Mapping[str, float], split: str, key: str) -> str:
    value = metrics.get(f"{split}_{key}")
    return "" if value is None else f"{value:.4f}"
