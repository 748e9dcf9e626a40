"""The card: what the Hub and people read of a model."""

from pathlib import Path
from typing import Any

import pytest

from tests.training.hub.facts import FACTS
from training.learning.bases import licence_of
from training.reporting.card import model_card


def test_the_hub_reads_the_measures_out_of_the_card() -> None:
    from huggingface_hub import ModelCard

    data: Any = ModelCard(model_card("mine", FACTS)).data
    assert data.model_name == "mine"
    assert data.base_model == FACTS["base_model"]
    assert data.license == "apache-2.0"
    assert {
        (result.metric_type, result.metric_value, result.dataset_name, result.dataset_split)
        for result in data.eval_results
    } == {("accuracy", 0.9, "reviews", "test"), ("f1", 0.89, "reviews", "test")}


def test_the_card_names_base_revision_data_and_limits_and_no_folder_of_this_machine() -> None:
    card = model_card("mine", FACTS)
    for part in (FACTS["base_model"], FACTS["base_revision"], "on reviews.", "## Limits", "0.9000"):
        assert part in card
    assert "secret-folder" not in card


@pytest.mark.parametrize(
    ("base", "dataset", "expected"),
    [
        ("someone/base", "someone/data", {"base_model": "someone/base", "datasets": True}),
        ("tiny-base", "imdb", {"base_model": None, "datasets": False}),
        ("starter", "a/b/reviews.csv", {"base_model": None, "datasets": False}),
    ],
)
def test_only_ids_of_the_hub_are_given_as_such(
    base: str, dataset: str, expected: dict[str, Any]
) -> None:
    from huggingface_hub import ModelCard

    config = FACTS["config"] | {"data": {"dataset": dataset}}
    data: Any = ModelCard(model_card("x", FACTS | {"base_model": base, "config": config})).data
    assert data.base_model == expected["base_model"]
    assert (data.datasets == [dataset]) == expected["datasets"]
    assert data.license is None


def test_the_card_tells_where_the_rows_came_from() -> None:
    provenance = {
        "rows": {"train": {"verdict": 120, "replay": 240}, "test": {"verdict": 31, "replay": 0}},
        "replay": {"dataset": "imdb", "per_verdict": 2.0},
        "left_out": {"verdict": {"frozen": 0}, "replay": {"frozen": 4, "reviewed": 0}},
    }
    card = model_card("mine", FACTS | {"provenance": provenance})
    for part in (
        "## Data",
        "| train | 120 | 240 |",
        "| test | 31 | 0 |",
        "of imdb, ",
        "2 for each",
    ):
        assert part in card
    assert "Left out: 4 replayed rows, as a frozen test row has their text." in card
    assert card.count("Left out") == 1
    assert "No rows of earlier" in model_card(
        "x", FACTS | {"provenance": provenance | {"replay": {}}}
    )
    assert "## Data" not in model_card("mine", FACTS)


def test_a_name_that_is_yaml_does_not_break_the_card() -> None:
    from huggingface_hub import ModelCard

    data: Any = ModelCard(model_card('a: "b" - #c', FACTS)).data
    assert data.model_name == 'a: "b" - #c'


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlicense: mit\n---\n# x\n", "mit"),
        ("---\ntags: [a]\n---\nlicense: mit\n", ""),
        ("no front matter\nlicense: mit\n", ""),
        (None, ""),
    ],
)
def test_the_licence_of_a_base_is_read_from_its_card(
    tmp_path: Path, card: str | None, licence: str
) -> None:
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    assert licence_of(tmp_path) == licence
    shown = model_card("x", FACTS | {"base_model": "tiny", "base_licence": licence})
    assert (f"license: {licence}\n" in shown) == bool(licence)
