"""The card of a pretrained encoder, README.md beside the weights."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from training.card import HUB_ID, dataset_name, licence_in, parameters_of
from training.pretraining.texts import REPEATED, TESTED, UNREADABLE

SHOWN = {
    "loss": "cross entropy of a masked token, nats",
    "perplexity": "perplexity",
    "accuracy": "accuracy of the best guess",
}

WRAPPED: dict[str, Any] = {"width": 100, "break_long_words": False, "break_on_hyphens": False}


def encoder_card(name: str, facts: Mapping[str, Any]) -> str:
    """The card as Markdown with the front matter that the Hub reads.

    Args:
        facts: what run_pretraining writes to metrics.json.
    """
    metrics, texts = facts["metrics"], facts["texts"]
    pieces, tokens = facts["pieces"], facts["tokens"]
    revision = f" (revision {facts['base_revision']})" if facts["base_revision"] else ""
    licence = licence_in(facts)
    terms = (
        f"The base model's licence is {licence}."
        if licence
        else "The base model's licence is not known here; look it up before you share this model."
    )
    table = "\n".join(
        f"| {title} | {metrics[f'before_{key}']:.4f} | {metrics[f'after_{key}']:.4f} |"
        for key, title in SHOWN.items()
    )
    read = ", ".join(f"{count:,} of {split}" for split, count in texts["read"].items())
    head = (
        "The base had no head that guesses tokens: one was made, its output weights tied to the "
        "input embeddings, so what stands under `before` is what a new head guesses."
        if facts["new_head"]
        else "The head that guesses tokens is the base's, trained on."
    )
    introduction = fill(
        f"An encoder, and no classifier: {facts['base_model']}{revision} after "
        "masked-language-model training by Reviewsite on the texts of "
        f"{dataset_name(facts['config'])}. {terms} To fine-tune it: `manage.py finetune "
        f"--base-model {name} --dataset DATA`.",
        **WRAPPED,
    )
    counted = fill(
        f"{read} were read; {texts['left_out'][TESTED]:,} were left out because they stand in the "
        f"test split too, {texts['left_out'][REPEATED]:,} because they are repeated, "
        f"{texts['left_out'][UNREADABLE]:,} because they are no texts. "
        f"{texts['train']:,} were trained on ({pieces['train']:,} pieces, {tokens['train']:,} "
        f"tokens), {texts['held_out']:,} were measured on and nothing else "
        f"({pieces['held_out']:,} pieces). Labels were not looked at.",
        **WRAPPED,
    )
    measured = fill(
        f"On {metrics['after_masked_tokens']:,.0f} masked tokens of the held-out texts, the same "
        f"before and after. {head}",
        **WRAPPED,
    )
    return f"""---
{_front_matter(facts)}---

# {name}

{introduction}

## Texts

{counted}

## Measured

{measured}

| | before | after |
|---|---|---|
{table}

## Parameters

{parameters_of(facts["config"])}
"""


def _front_matter(facts: Mapping[str, Any]) -> str:
    import yaml

    data = dataset_name(facts["config"])
    front: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": "fill-mask"}
    if licence := licence_in(facts):
        front["license"] = licence
    # The Hub refuses a card whose base_model or datasets are not ids of it.
    if HUB_ID.fullmatch(facts["base_model"]):
        front |= {"base_model": facts["base_model"], "base_model_relation": "finetune"}
    if HUB_ID.fullmatch(data):
        front["datasets"] = [data]
    front["tags"] = ["reviewsite"]
    return yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
