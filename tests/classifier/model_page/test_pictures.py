import json
from typing import Any

import pytest

from classifier.model_page.pictures import SIDE, pictures_of
from classifier.starter import installer

CURVE = {
    "label": "POSITIVE",
    "roc_auc": 0.9,
    "average_precision": 0.8,
    "share": 0.25,
    "roc": [[0, 0], [0.1, 0.8], [1, 1]],
    "precision_recall": [[1, 0.25], [0, 1]],
}
CONTENT: dict[str, Any] = {
    "labels": ["NEGATIVE", "POSITIVE"],
    "confusion": [[90, 10], [5, 95]],
    "reliability": [[0.6, 0.5, 10], [0.95, 0.97, 190]],
    "curves": [CURVE],
}


def test_the_curves_are_placed_in_a_square() -> None:
    pictures = pictures_of({"pictures": CONTENT})

    assert pictures is not None
    roc, precision_recall, reliability = pictures.plots
    assert roc.lines[0].path == f"0.0,{SIDE:.1f} 24.0,48.0 {SIDE:.1f},0.0"
    assert "POSITIVE: area 0.900." in roc.summary
    assert precision_recall.guess == "0,180.0 240,180.0"  # the label's share, as guessing finds
    small, large = reliability.dots
    assert (small.x, small.y) == (144.0, 120.0)
    assert small.radius < large.radius


def test_the_confusion_is_shaded_by_true_label() -> None:
    pictures = pictures_of({"pictures": CONTENT})

    assert pictures is not None
    assert pictures.confusion is not None
    assert [
        (label, [(cell.rows, cell.shade, cell.right) for cell in cells])
        for label, cells in pictures.confusion.rows
    ] == [
        ("NEGATIVE", [(90, 9, True), (10, 1, False)]),
        ("POSITIVE", [(5, 0, False), (95, 10, True)]),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"curves": "curved"},
        {"curves": [CURVE] * 100},
        {"curves": [CURVE | {"roc": [[0, 2]]}]},
        {"curves": [CURVE | {"roc": [[0]]}]},
        {"curves": [CURVE | {"roc_auc": float("nan")}]},
        {"curves": [{}]},
        {"reliability": [[0.5, 0.5, 0]]},
        {"reliability": [["a", "b", "c"]]},
        {"labels": ["A"], "confusion": [[1, 2], [3, 4]]},
        {"labels": "AB", "confusion": 5},
    ],
)
def test_what_is_no_picture_is_left_out(wrong: dict[str, Any]) -> None:
    assert pictures_of({"pictures": wrong}) is None


def test_without_curves_the_confusion_of_two_labels_is_counted_back() -> None:
    facts = json.loads((installer.ADAPTER / "metrics.json").read_text())
    facts.pop("pictures", None)

    pictures = pictures_of(facts)

    assert pictures is not None
    assert pictures.plots == ()
    assert pictures.confusion is not None
    counts = [[cell.rows for cell in cells] for _label, cells in pictures.confusion.rows]
    measured = facts["metrics"]
    assert sum(map(sum, counts)) == measured["test_rows"]
    assert counts[0][0] + counts[1][1] == round(measured["test_accuracy"] * measured["test_rows"])
    assert counts[0][0] / sum(counts[0]) == pytest.approx(measured["test_recall_NEGATIVE"])


def test_measures_that_fit_no_counts_give_no_confusion() -> None:
    metrics = {
        "test_rows": 10.0,
        "test_recall_A": 0.91,
        "test_recall_B": 0.77,
        "test_precision_B": 0.3,
    }
    assert pictures_of({"metrics": metrics}) is None
    assert pictures_of({"metrics": {}}) is None
