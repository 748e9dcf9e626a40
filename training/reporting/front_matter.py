"""What the cards of a classifier and of an encoder have alike: front matter, base, parameters."""

import re
from collections.abc import Mapping
from typing import Any

from classifier.starter import base as minilm
from training.config.paths import dataset_name, without_paths

LICENCES = {minilm.NAME: "apache-2.0"}
LANGUAGES = {minilm.NAME: ["en"]}
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)


def front_matter(facts: Mapping[str, Any], *, task: str, **more: Any) -> str:
    """YAML between its two lines, as the Hub reads it.

    Form: https://github.com/huggingface/hub-docs/blob/main/modelcard.md

    Args:
        facts: what a run writes to metrics.json.
        task: the Hub's name of what the model does.
        more: further keys, at the end.
    """
    import yaml

    data = dataset_name(facts["config"])
    front: dict[str, Any] = {"library_name": "transformers", "pipeline_tag": task}
    if languages := facts.get("base_languages") or LANGUAGES.get(facts["base_model"]):
        front["language"] = languages
    if licence := _licence(facts):
        front["license"] = licence
    # The Hub refuses a card whose base_model or datasets are not ids of it.
    if HUB_ID.fullmatch(facts["base_model"]):
        front |= {"base_model": facts["base_model"], "base_model_relation": "finetune"}
    if HUB_ID.fullmatch(data):
        front["datasets"] = [data]
    front |= {"tags": ["reviewsite"], **more}
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---"


def base_of(facts: Mapping[str, Any]) -> str:
    """The base model, with its revision where that is known."""
    revision = f" (revision {facts['base_revision']})" if facts["base_revision"] else ""
    return f"{facts['base_model']}{revision}"


def terms_of(facts: Mapping[str, Any]) -> str:
    """A sentence on the licence of the base model."""
    if licence := _licence(facts):
        return f"The base model's licence is {licence}."
    return "The base model's licence is not known here; look it up before you share this model."


def parameters_of(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """A config's parameters as a list, those left out that are empty."""
    return "\n".join(
        f"- {key}: {value}"
        for section in without_paths(sections).values()
        for key, value in section.items()
        if value != ""
    )


def _licence(facts: Mapping[str, Any]) -> str:
    """Of the base model, "" where it is not known."""
    return str(facts.get("base_licence") or LICENCES.get(facts["base_model"], ""))
