from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest

from training.augmentation.balance import class_weights, resample, rows_wanted

LABELS = [0] * 6 + [1] * 3 + [2]


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {"text": [f"text {number}" for number in range(10)], "label": LABELS, "more": range(10)}
    )


def test_class_weights_give_every_class_the_same_say_and_rows_a_mean_of_one() -> None:
    weights = class_weights(LABELS, 4)
    assert np.allclose(weights[:3] * np.bincount(LABELS), 10 / 3)
    assert np.isclose(weights[LABELS].mean(), 1)
    assert weights[3] == 1


def test_oversampling_keeps_every_row_and_repeats_the_small_classes_evenly() -> None:
    drawn = resample(frame(), "oversample", seed=0)
    assert drawn["label"].value_counts().tolist() == [6, 6, 6]
    assert drawn["text"].tolist()[:10] == frame()["text"].tolist()
    assert drawn["text"].value_counts()[["text 6", "text 7", "text 8"]].tolist() == [2, 2, 2]
    assert list(drawn.columns) == ["text", "label", "more"]


def test_undersampling_takes_each_row_once_at_most() -> None:
    drawn = resample(frame(), "undersample", seed=0)
    assert drawn["label"].value_counts().tolist() == [1, 1, 1]
    assert drawn["text"].is_unique


@pytest.mark.parametrize("how", ["oversample", "undersample"])
def test_the_seed_decides_which_rows_are_drawn(how: Literal["oversample", "undersample"]) -> None:
    rows = pd.DataFrame({"text": range(90), "label": [0] * 53 + [1] * 37})
    drawn: list[Any] = [resample(rows, how, seed=seed)["text"].tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_generation_fills_the_smallest_classes_first() -> None:
    assert rows_wanted(LABELS, 0) == {1: 3, 2: 5}
    assert rows_wanted(LABELS, 1) == {2: 1}
    assert rows_wanted(LABELS, 4) == {1: 1, 2: 3}
    assert rows_wanted([0, 1], 0) == {}
