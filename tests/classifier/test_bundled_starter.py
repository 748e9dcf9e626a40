"""The starter as it is committed: it installs, and it knows praise from blame."""

import json
from pathlib import Path

import pytest

from classifier.predictor import Predictor, load_predictor
from classifier.starter import installer


@pytest.fixture(scope="module")
def starter(starter_models_dir: Path) -> Predictor:
    return load_predictor("starter", models_dir=starter_models_dir)


@pytest.mark.parametrize(
    ("text", "label", "ratings"),
    [
        ("A joy from the first scene to the last: warm, funny, superbly played.", "POSITIVE", {10}),
        ("I laughed, I cried, and I will see it again next week.", "POSITIVE", {9, 10}),
        ("I fell asleep twice and left before the end.", "NEGATIVE", {1, 2}),
        ("The plot makes no sense and nobody in it can act.", "NEGATIVE", {1}),
        ("Not bad at all, much better than I had feared.", "POSITIVE", {7, 8, 9, 10}),
    ],
)
def test_it_rates_plain_reviews_as_a_reader_would(
    starter: Predictor, text: str, label: str, ratings: set[int]
) -> None:
    [said] = starter.classify([text])
    assert said.label == label
    assert said.rating in ratings


def test_the_end_of_a_long_review_counts(starter: Predictor) -> None:
    story = "Then the two of them drive to the next town and talk about the weather. " * 80
    [praised, blamed] = starter.classify(
        [
            story + "I loved every minute of it, a masterpiece.",
            story + "I hated every minute of it, a disaster.",
        ]
    )
    assert praised.windows > 1
    good, bad = (said.sentiment.positive_probability for said in (praised, blamed))
    assert good > bad + 0.1


def test_the_adapter_is_small_and_better_than_a_linear_model() -> None:
    weights = installer.ADAPTER / "adapter_model.safetensors"
    assert weights.stat().st_size < 12_000_000
    facts = json.loads((installer.ADAPTER / "metrics.json").read_text())
    assert facts["metrics"]["test_rows"] == 25_000
    assert facts["metrics"]["test_accuracy"] > 0.915
    assert facts["metrics"]["test_roc_auc"] > 0.972


def test_nothing_committed_with_it_names_a_path() -> None:
    for file in (
        installer.ADAPTER / name for name in ("README.md", "adapter_config.json", "metrics.json")
    ):
        assert "/root" not in file.read_text(encoding="utf-8")
        assert "/home" not in file.read_text(encoding="utf-8")
