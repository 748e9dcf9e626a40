from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from training.config import ConfigError, DataConfig
from training.data.reading import DataError
from training.data.splits import load_splits
from training.data.stars import HIGH, LOW, star_targets, with_stars


def cells(stars: list[Any], **options: Any) -> list[tuple[int, int]]:
    config = DataConfig(dataset="any", **options)
    frame = with_stars({"train": pd.DataFrame({"stars": stars})}, config)["train"]
    return list(zip(frame[LOW], frame[HIGH], strict=True))


def test_of_ten_stars_each_is_a_rating() -> None:
    assert cells(list(range(1, 11))) == [(rating, rating) for rating in range(1, 11)]


def test_of_five_stars_each_covers_two_ratings() -> None:
    assert cells([1, 2, 3, 4, 5]) == [(1, 2), (3, 4), (5, 6), (7, 8), (9, 10)]


def test_five_stars_of_ten_are_told_by_the_range() -> None:
    assert cells([1, 5], stars_range="1-10") == [(1, 1), (5, 5)]


def test_half_stars_lie_between() -> None:
    assert cells([1, 2.5, 3, 4.5, 5]) == [(1, 1), (4, 4), (5, 5), (9, 9), (10, 10)]


def test_each_tenth_of_any_other_range_is_a_rating() -> None:
    assert cells([0, 1, 10, 11, 55, 90, 91, 100], stars_range="0-100") == [
        (rating, rating) for rating in (1, 1, 1, 2, 6, 9, 10, 10)
    ]


def test_a_row_may_have_no_stars() -> None:
    assert cells(["7", "", None, " "]) == [(7, 7), (0, 0), (0, 0), (0, 0)]


def test_the_scale_is_that_of_all_splits_together() -> None:
    frames = {"train": pd.DataFrame({"stars": [9]}), "test": pd.DataFrame({"stars": [2]})}
    read = with_stars(frames, DataConfig(dataset="any"))
    assert read["test"][[LOW, HIGH]].to_numpy().tolist() == [[2, 2]]


def test_a_split_without_the_column_has_no_stars() -> None:
    frames = {"train": pd.DataFrame({"stars": [9]}), "test": pd.DataFrame({"text": ["Fine."]})}
    read = with_stars(frames, DataConfig(dataset="any"))
    assert read["test"][[LOW, HIGH]].to_numpy().tolist() == [[0, 0]]


@pytest.mark.parametrize("column", ["", "stars"])
def test_data_without_stars_stay_as_they_are(column: str) -> None:
    frame = pd.DataFrame({"text": ["Fine."]})
    read = with_stars({"train": frame}, DataConfig(dataset="any", stars_column=column))
    assert list(read["train"].columns) == ["text"]


@pytest.mark.parametrize(
    ("stars", "said"),
    [(["good"], "Stars are numbers"), ([11], "Stars lie in 1-10"), ([0], "Stars lie in 1-5")],
)
def test_what_is_no_star_is_refused(stars: list[Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        cells(stars)


def test_a_column_that_was_asked_for_must_be_there() -> None:
    with pytest.raises(DataError, match="points"):
        cells([1], stars_column="points")


@pytest.mark.parametrize("value", ["", "5", "5-1", "one-five", "3-3"])
def test_a_range_has_two_ends(value: str) -> None:
    with pytest.raises(ConfigError, match="stars_range"):
        DataConfig(dataset="any", stars_range=value)


def test_the_ratings_that_stars_cover_share_evenly() -> None:
    frame = pd.DataFrame({LOW: [7, 3, 0], HIGH: [8, 3, 0]})
    shares = star_targets(frame)
    assert shares.dtype == np.float32
    assert shares[0].tolist() == [0] * 6 + [0.5, 0.5, 0, 0]
    assert shares[1].tolist() == [0, 0, 1] + [0] * 7
    assert not shares[2].any()


def test_rows_of_a_further_data_set_are_trained_on_and_nothing_else(tmp_path: Path) -> None:
    for name, stars in (("films", {"stars": [1, 10] * 20}), ("lines", {})):
        (tmp_path / name).mkdir()
        for split in ("train", "validation", "test"):
            rows = {"text": [f"{name} {split} {row}" for row in range(40)], "label": [0, 1] * 20}
            pd.DataFrame(rows | stars).to_parquet(tmp_path / name / f"{split}.parquet")
    config = DataConfig(dataset="films", also_train="lines")
    splits = load_splits(config, datasets_dir=tmp_path, seed=0)
    assert splits.sizes() == {"train": 80, "validation": 40, "test": 40}
    assert splits.train["text"].str.contains(" train ").all()
    assert splits.train[LOW].tolist() == [1, 10] * 20 + [0] * 40
    assert splits.train[LOW].dtype == "int64"


def test_a_further_data_set_has_the_same_labels(tmp_path: Path) -> None:
    for name, labels in (("films", ["good", "bad"]), ("moods", ["glad", "sad"])):
        rows = {"text": [f"{name} {row}" for row in range(40)], "label": labels * 20}
        pd.DataFrame(rows).to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match="the same labels"):
        load_splits(DataConfig(dataset="films", also_train="moods"), datasets_dir=tmp_path, seed=0)
