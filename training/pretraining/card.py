"""The card of a pretrained encoder, README.md beside the weights."""

from collections.abc import Mapping
from textwrap import fill
from typing import Any

from training.config.paths import dataset_name
from training.pretraining.texts import REPEATED, TESTED, UNREADABLE
from training.reporting.front_matter import base_of, front_matter, parameters_of, terms_of

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
        f"An encoder, and no classifier: {base_of(facts)} after "
        "masked-language-model training by Reviewsite on the texts of "
        f"{dataset_name(facts['config'])}. {terms_of(facts)} To fine-tune it: `manage.py finetune "
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
    return f"""{front_matter(facts, task="fill-mask")}

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
