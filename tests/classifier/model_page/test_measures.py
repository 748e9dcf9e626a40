from typing import Any

import pytest
from django.utils.translation import override

from classifier.model_page.measures import (
    class_rows,
    figure,
    measure_rows,
    percent,
    strengths,
    weaknesses,
)

FACTS: dict[str, Any] = {
    "metrics": {
        "validation_accuracy": 0.94,
        "test_rows": 25000.0,
        "test_accuracy": 0.93472,
        "test_majority_baseline": 0.5,
        "test_recall_NEGATIVE": 0.9384,
        "test_recall_POSITIVE": 0.93104,
        "test_precision_NEGATIVE": 0.93,
        "test_f1_NEGATIVE": 0.93,
        "test_rating_mae": 0.946,
        "test_rating_exact": 0.50432,
        "test_rating_within_one": 0.76952,
        "test_rating_coverage": 0.78376,
    },
    "config": {"data": {"dataset": "imdb"}, "calibration": {"rating_interval": 0.8}},
    "pictures": {"lengths": [[1, 256, 10000, 0.95], [257, None, 5000, 0.9], [9, 16, 3, 0.1]]},
}


def test_what_was_measured_is_said_in_words() -> None:
    said = " ".join(strengths(FACTS))

    assert "Of 25,000 texts that it had never seen, it got 93.5\N{NO-BREAK SPACE}% right." in said
    assert "would be right in 50.0\N{NO-BREAK SPACE}%" in said
    assert "0.95 stars away" in said
    assert "In 77.0\N{NO-BREAK SPACE}%" in said


def test_what_it_is_bad_at_comes_from_its_measures() -> None:
    said = " ".join(weaknesses(FACTS))

    assert "It overlooks POSITIVE most often: it finds 93.1\N{NO-BREAK SPACE}% of them." in said
    assert "weakest on texts of 257 tokens and more: 90.0\N{NO-BREAK SPACE}% are right" in said
    assert "the author's stars in 80.0\N{NO-BREAK SPACE}%, and does in 78.4" in said
    assert "Only 50.4\N{NO-BREAK SPACE}% of its ratings are exactly the author's" in said
    assert "measured on imdb alone" in said


def test_the_tables_show_what_there_is() -> None:
    rows = {str(row.title): row.cells for row in measure_rows(FACTS)}

    assert rows["Accuracy"] == ["94.0\N{NO-BREAK SPACE}%", "93.5\N{NO-BREAK SPACE}%"]
    assert rows["Rows"] == ["", "25,000"]
    assert "ROC AUC" not in rows
    assert [(row.label, row.cells) for row in class_rows(FACTS)] == [
        (
            "NEGATIVE",
            ["93.0\N{NO-BREAK SPACE}%", "93.8\N{NO-BREAK SPACE}%", "93.0\N{NO-BREAK SPACE}%"],
        ),
        ("POSITIVE", ["", "93.1\N{NO-BREAK SPACE}%", ""]),
    ]


@pytest.mark.parametrize(
    "foreign",
    [
        {},
        {"metrics": None},
        {"metrics": []},
        {"metrics": {"test_accuracy": "high", "test_rows": float("nan"), "test_rating_mae": True}},
        {"metrics": {"test_accuracy": 0.5}, "pictures": {"lengths": [1, 2]}},
        {"metrics": {"test_accuracy": 0.5}, "pictures": {"lengths": "long"}},
        {"config": "none", "pictures": 3},
    ],
)
def test_metrics_of_others_break_nothing(foreign: dict[str, Any]) -> None:
    assert strengths(foreign) == []
    assert len(weaknesses(foreign)) == 1
    assert class_rows(foreign) == []
    measure_rows(foreign)


def test_numbers_are_written_as_the_reader_writes_them() -> None:
    with override("ru"):
        assert figure(25_000) == "25\N{NO-BREAK SPACE}000"
        assert percent(0.9347) == "93,5\N{NO-BREAK SPACE}%"
    assert (figure(25_000), percent(0.9347, 0)) == ("25,000", "93\N{NO-BREAK SPACE}%")
