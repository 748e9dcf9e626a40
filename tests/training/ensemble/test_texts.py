from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from training.config import DataConfig
from training.data.reading import DataError
from training.data.splits import load_splits
from training.ensemble import Unlabelled, unlabelled_texts


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data set of three splits and two of texts alone."""
    for split in ("train", "validation", "test"):
        texts = [f"{split} {word}" for word in ("good", "bad")]
        pd.DataFrame({"text": texts, "label": [1, 0]}).to_csv(tmp_path / f"{split}.csv")
    pd.DataFrame(
        {
            "text": [
                "A new one",
                "  TEST   good ",
                "validation bad",
                "train good",
                "a NEW one",
                " ",
                "Another",
            ],
            "label": [-1] * 7,
        }
    ).to_csv(tmp_path / "unsup.csv")
    return tmp_path


def texts(data: Path, **options: Any) -> Unlabelled:
    config = DataConfig(dataset=str(data))
    splits = load_splits(config, datasets_dir=data, seed=0)
    return unlabelled_texts(config, splits, datasets_dir=data, **options)


def test_texts_that_are_known_repeated_or_empty_are_left_out_and_counted(data: Path) -> None:
    found = texts(data, split="unsup")
    assert found.rows["text"].tolist() == ["A new one", "Another"]
    assert found.rows["source_row"].tolist() == [0, 6]
    assert found.left_out == {
        "test": 1,
        "validation": 1,
        "train": 1,
        "repeated": 1,
        "unreadable": 1,
    }


def test_a_file_serves_in_place_of_a_split(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "more.jsonl"
    file.write_text('{"text": "From a file"}\n{"text": "test bad"}\n')
    found = texts(data, file=file)
    assert found.rows["text"].tolist() == ["From a file"]
    assert found.left_out == {"test": 1}


def test_the_training_rows_themselves_can_be_labelled(data: Path) -> None:
    pd.DataFrame({"text": ["train good", "train bad", "Test Good"], "label": [1, 0, 1]}).to_csv(
        data / "train.csv"
    )
    found = texts(data, split="train")
    assert found.rows["text"].tolist() == ["train good", "train bad"]
    assert found.left_out == {"test": 1}


def test_rows_that_are_carved_off_train_are_no_rows_to_label(tmp_path: Path) -> None:
    rows = pd.DataFrame({"text": [f"review {i}" for i in range(200)], "label": [0, 1] * 100})
    rows.to_csv(tmp_path / "train.csv")
    config = DataConfig(dataset=str(tmp_path))
    splits = load_splits(config, datasets_dir=tmp_path, seed=0)
    found = unlabelled_texts(config, splits, datasets_dir=tmp_path, split="train")
    assert set(found.rows["text"]) == set(splits.train["text"])
    assert found.left_out == {"validation": len(splits.validation), "test": len(splits.test)}


def test_a_sample_is_drawn_by_the_seed(data: Path) -> None:
    pd.DataFrame({"text": [f"review {i}" for i in range(50)]}).to_csv(data / "unsup.csv")
    first, second = (texts(data, split="unsup", sample=10, seed=seed).rows for seed in (0, 1))
    assert len(first) == len(second) == 10
    assert first["text"].tolist() != second["text"].tolist()
    assert first.equals(texts(data, split="unsup", sample=10, seed=0).rows)
    assert [f"review {row}" for row in first["source_row"]] == first["text"].tolist()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "none"}, r"\(test, train, unsup, validation\), but it is 'none'"),
        ({"split": "test"}, "not for training"),
        ({"split": "validation"}, "not for training"),
        ({"file": Path("nowhere.csv")}, "nowhere.csv"),
        ({"file": Path(__file__)}, "ends in .csv"),
    ],
)
def test_what_is_not_there_or_not_to_be_learnt_from_is_refused(
    data: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        texts(data, **options)


def test_a_table_without_texts_and_one_without_new_ones_are_refused(data: Path) -> None:
    (data / "other.csv").write_text("review\nfine\n")
    with pytest.raises(DataError, match="in the column text, but other"):
        texts(data, file=data / "other.csv")
    (data / "known.csv").write_text("text\ntest good\n")
    with pytest.raises(DataError, match=r"none is left \(1 test\)"):
        texts(data, file=data / "known.csv")
