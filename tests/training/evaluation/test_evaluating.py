import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests import tiny
from training.data.reading import DataError
from training.evaluation.evaluating import (
    WORST_ERRORS,
    evaluate_in_detail,
    evaluate_model,
    excerpt,
    token_counts,
)

LABELS = ("NEGATIVE", "POSITIVE")


def frame(count: int, *, wrong: int = 0) -> pd.DataFrame:
    """Sentences with their labels, the first `wrong` of them turned round."""
    rng = random.Random(3)
    labels = [index % 2 for index in range(count)]
    texts = [tiny.sentence(label, rng, words=6 + index) for index, label in enumerate(labels)]
    given = [1 - label if index < wrong else label for index, label in enumerate(labels)]
    return pd.DataFrame({"text": texts, "label": given})


def test_the_flat_measures_are_those_of_the_evaluation(tiny_model_dir: Path) -> None:
    rows = frame(30, wrong=2)
    detailed = evaluate_in_detail(tiny_model_dir, rows, LABELS)
    assert detailed.measures == evaluate_model(tiny_model_dir, rows, LABELS)
    assert detailed.probabilities.shape == (30, 2)
    assert detailed.probabilities.sum(axis=1) == pytest.approx(1)


def test_each_row_keeps_its_probabilities_though_rows_are_read_by_length(
    tiny_model_dir: Path,
) -> None:
    rows = frame(30)
    forward = evaluate_in_detail(tiny_model_dir, rows, LABELS).probabilities
    backward = evaluate_in_detail(tiny_model_dir, rows[::-1], LABELS).probabilities
    assert forward == pytest.approx(backward[::-1], abs=1e-5)


def test_the_labels_of_the_data_may_come_in_another_order(tiny_model_dir: Path) -> None:
    rows = frame(20)
    turned = rows.assign(label=1 - rows["label"])
    assert evaluate_model(tiny_model_dir, turned, LABELS[::-1]) == evaluate_model(
        tiny_model_dir, rows, LABELS
    )


def test_the_worst_errors_are_the_wrong_rows_by_loss(tiny_model_dir: Path) -> None:
    rows = frame(60, wrong=40)
    found = evaluate_in_detail(tiny_model_dir, rows, LABELS)
    losses = [error.loss for error in found.errors]
    assert losses == sorted(losses, reverse=True)
    assert len(losses) == WORST_ERRORS
    for error in found.errors:
        assert error.true != error.given
        assert error.true == LABELS[rows["label"][error.row]]
        assert error.text == excerpt(rows["text"][error.row])


def test_slices_are_by_tokens_and_hold_every_row(tiny_model_dir: Path) -> None:
    rows = frame(30)
    found = evaluate_in_detail(tiny_model_dir, rows, LABELS)
    assert token_counts(tiny_model_dir, ["good film", "bad"]).tolist() == [4, 3]
    assert [part.rows for part in found.slices] == [9, 16, 5]  # 8 .. 37 tokens


def test_rows_with_stars_have_measures_of_ratings_by_length_and_by_stars(
    tiny_model_dir: Path,
) -> None:
    rows = frame(30)
    stars = [9 if label else 2 for label in rows["label"]]
    known = rows.assign(star_low=stars, star_high=stars)
    known.loc[:3, ["star_low", "star_high"]] = 0
    found = evaluate_in_detail(tiny_model_dir, known, LABELS)
    assert found.ratings
    assert found.measures["rating_rows"] == 26
    assert found.measures == evaluate_model(tiny_model_dir, known, LABELS)
    # Of a model without rating.json: its confidence.
    confidence = np.maximum(1, np.rint(10 * found.probabilities[:, 1]))[4:]
    assert found.measures["rating_mae"] == np.abs(confidence - stars[4:]).mean()
    assert [part.ratings["rating_rows"] for part in found.slices] == [5, 16, 5]
    assert list(found.ratings.by_stars()) == [(2, 2), (9, 9)]
    assert json.loads(json.dumps(found.to_dict()))["slices"][0]["ratings"]["rating_rows"] == 5
    assert evaluate_in_detail(tiny_model_dir, rows, LABELS).ratings is None


def test_tokens_of_a_pair_are_counted_together(tiny_model_dir: Path) -> None:
    assert token_counts(tiny_model_dir, ["good film"], ["bad"]).tolist() == [6]


def test_an_evaluation_becomes_json(tiny_model_dir: Path) -> None:
    found = evaluate_in_detail(tiny_model_dir, frame(20, wrong=3), LABELS)
    stored = json.loads(json.dumps(found.to_dict()))
    assert stored["measures"] == found.measures
    assert sum(map(sum, stored["confusion"])) == 20
    assert stored["errors"][0]["true"] == found.errors[0].true
    assert "probabilities" not in stored


def test_mistakes_are_counted_by_their_two_labels(tiny_model_dir: Path) -> None:
    found = evaluate_in_detail(tiny_model_dir, frame(20, wrong=3), LABELS)
    assert found.confusions() == [("POSITIVE", "NEGATIVE", 2), ("NEGATIVE", "POSITIVE", 1)]


def test_no_rows_are_refused(tiny_model_dir: Path) -> None:
    with pytest.raises(DataError, match="at least one"):
        evaluate_in_detail(tiny_model_dir, frame(0), LABELS)


def test_an_excerpt_is_one_short_line_without_control_characters() -> None:
    assert excerpt("one\ntwo\x1b[31m  three") == "one two [31m three"
    assert excerpt("word " * 100, 20) == "word word word word…"
