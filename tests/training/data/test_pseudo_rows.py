from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from training.data.pseudo_rows import ROWS, STAR_COLUMNS, add_pseudo_rows, read_pseudo_rows
from training.data.reading import DataError
from training.data.splits import LabelledSplits

LABELS = ("NEGATIVE", "POSITIVE")


def written(place: Path, **columns: Any) -> Path:
    rows = {"text": ["Fine.", "Dull."], "p_NEGATIVE": [0.1, 0.75], "p_POSITIVE": [0.9, 0.25]}
    frame = pd.DataFrame({**rows, "source_row": [0, 1], **columns})
    frame = frame.drop(columns=[name for name, values in columns.items() if values is None])
    frame.to_parquet(place / ROWS)
    return place


def test_rows_are_read_with_labels_in_the_order_of_the_model(tmp_path: Path) -> None:
    rows = read_pseudo_rows(written(tmp_path), LABELS[::-1])
    assert rows["text"].tolist() == ["Fine.", "Dull."]
    assert rows["soft_labels"].tolist() == [[0.9, 0.1], [0.25, 0.75]]
    assert rows["soft_stars"].tolist() == [[0.0] * 10] * 2


def test_the_file_may_be_named_itself(tmp_path: Path) -> None:
    assert len(read_pseudo_rows(written(tmp_path) / ROWS, LABELS)) == 2


def test_stars_are_a_distribution_or_unknown(tmp_path: Path) -> None:
    stars = {column: [0.0, 0.0] for column in STAR_COLUMNS} | {"stars_1": [0.9999, 0]}
    rows = read_pseudo_rows(written(tmp_path, **stars), LABELS)
    assert rows["soft_stars"].tolist() == [[1.0] + [0.0] * 9, [0.0] * 10]


def test_float32_sums_are_made_whole(tmp_path: Path) -> None:
    place = written(tmp_path, p_NEGATIVE=[0.1004, 0.75])
    for row in read_pseudo_rows(place, LABELS)["soft_labels"]:
        assert sum(row) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"p_POSITIVE": None}, "but those of .* have NEGATIVE"),
        ({"p_MIXED": [0.0, 0.0]}, "MIXED, NEGATIVE, POSITIVE"),
        ({"text": None}, "have text"),
        ({"text": ["Fine.", " "]}, "has a text"),
        ({"text": ["Fine.", None]}, "has a text"),
        ({"stars_1": [1.0, 1.0]}, "all or none of stars_1"),
        ({"p_POSITIVE": [0.9, 0.5]}, "row 2 of .* has 0.75, 0.5"),
        ({"p_POSITIVE": [0.9, float("nan")]}, "row 2"),
        ({"p_NEGATIVE": [-0.1, 0.75], "p_POSITIVE": [1.1, 0.25]}, "row 1"),
        ({"p_POSITIVE": ["high", "low"]}, "row 1"),
        ({"p_NEGATIVE": [0.0, 0.75], "p_POSITIVE": [0.0, 0.25]}, "row 1"),
    ],
)
def test_what_is_no_such_file_is_refused(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_pseudo_rows(written(tmp_path, **columns), LABELS)


def test_no_rows_are_refused(tmp_path: Path) -> None:
    pd.read_parquet(written(tmp_path) / ROWS).iloc[:0].to_parquet(tmp_path / ROWS)
    with pytest.raises(DataError, match="at least one"):
        read_pseudo_rows(tmp_path, LABELS)


def test_a_place_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"pseudo_label"):
        read_pseudo_rows(tmp_path / "none", LABELS)


def splits(**columns: Any) -> LabelledSplits:
    frames = {
        name: pd.DataFrame({"text": [f"{name} {row}" for row in range(2)], "label": [0, 1]})
        for name in ("train", "validation", "test")
    }
    frames["train"] = frames["train"].assign(**columns)
    return LabelledSplits(**frames, labels=LABELS)


def test_they_are_added_below_the_training_rows(tmp_path: Path) -> None:
    data = splits(star_low=[2, 9], star_high=[2, 9])
    rows = add_pseudo_rows(data.train, read_pseudo_rows(written(tmp_path), LABELS), data)
    assert rows["text"].tolist() == ["train 0", "train 1", "Fine.", "Dull."]
    assert rows["label"].tolist() == [0, 1, 1, 0]
    assert rows["soft_labels"].isna().tolist() == [True, True, False, False]
    assert rows["star_low"].tolist() == [2, 9, 0, 0]


def test_what_is_measured_on_is_not_learnt_whenever_it_was_labelled(tmp_path: Path) -> None:
    place = written(tmp_path, text=["TEST  1", "Validation 0"])
    data = splits()
    rows = add_pseudo_rows(data.train, read_pseudo_rows(place, LABELS), data)
    assert rows["text"].tolist() == ["train 0", "train 1"]


def test_pairs_are_refused(tmp_path: Path) -> None:
    data = splits(text_pair=["one", "two"])
    with pytest.raises(DataError, match="pairs"):
        add_pseudo_rows(data.train, read_pseudo_rows(written(tmp_path), LABELS), data)
