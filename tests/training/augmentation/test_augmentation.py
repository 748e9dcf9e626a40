import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from training.augmentation import augment_rows, export_generated
from training.config import AugmentationConfig, ConfigError, DataConfig
from training.data.splits import load_splits

LABELS = ("NEGATIVE", "POSITIVE")


def frame() -> pd.DataFrame:
    texts = [f"The film number {number} was a very warm evening, we found" for number in range(9)]
    return pd.DataFrame({"text": texts, "label": [1] * 6 + [0] * 3}, index=range(50, 59))


def augment(seed: int = 0, **options: Any) -> pd.DataFrame:
    return augment_rows(frame(), AugmentationConfig(**options), labels=LABELS, seed=seed)


def test_without_options_the_rows_stay_as_they_are() -> None:
    assert augment().equals(frame().reset_index(drop=True))


def test_generated_rows_stand_below_those_of_the_data() -> None:
    rows = augment(generate="rules")
    assert rows["text"].tolist()[:9] == frame()["text"].tolist()
    assert rows["generated_by"].tolist()[:9] == [""] * 9
    assert rows["source_row"].tolist()[:9] == [-1] * 9
    assert rows["label"].tolist()[9:] == [0] * 3
    assert set(rows["source_row"][9:]) <= {6, 7, 8}
    assert rows["label"].dtype == rows["source_row"].dtype == "int64"


def test_a_column_of_the_data_that_is_called_as_one_of_ours_gives_way(tmp_path: Path) -> None:
    given = frame().assign(source_row=["a prediction's id"] * 9)
    rows = augment_rows(given, AugmentationConfig(generate="rules"), labels=LABELS, seed=0)
    assert rows["source_row"].tolist()[:9] == [-1] * 9
    rows.to_parquet(tmp_path / "rows.parquet")


def test_generated_rows_can_be_counted_out() -> None:
    assert len(augment(generate="rules", generated_rows=2)) == 11


@pytest.mark.parametrize(("balance", "size"), [("oversample", 6), ("undersample", 3)])
def test_classes_are_drawn_to_one_size(balance: str, size: int) -> None:
    assert augment(balance=balance)["label"].value_counts().tolist() == [size, size]


def test_what_generation_left_uneven_is_drawn_even() -> None:
    rows = augment(generate="rules", generated_rows=1, balance="oversample")
    assert rows["label"].value_counts().tolist() == [6, 6]


def test_the_seed_decides_generation() -> None:
    assert augment(generate="rules").equals(augment(generate="rules"))
    assert not augment(generate="rules").equals(augment(generate="rules", seed=1))


def test_generated_rows_are_written_to_be_read_and_can_be_trained_on(tmp_path: Path) -> None:
    rows = augment(generate="rules", generated_rows=60, balance="oversample")
    count = export_generated(rows, tmp_path / "new" / "rows.csv", labels=LABELS)
    assert count == 60
    written = pd.read_csv(tmp_path / "new" / "rows.csv")
    assert set(written["label"]) == set(LABELS)
    assert set(written["generated_by"].str[:6]) == {"rules:"}
    assert set(written["text"]) == set(rows["text"][rows["generated_by"] != ""])
    splits = load_splits(DataConfig(dataset="new/rows"), datasets_dir=tmp_path, seed=0)
    assert sum(splits.sizes().values()) == 60


@pytest.mark.parametrize("options", [{}, {"balance": "oversample"}])
def test_there_must_be_rows_to_write(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="Give --generate"):
        export_generated(augment(**options), tmp_path / "rows.csv")


def test_importing_it_loads_no_heavy_library() -> None:
    program = (
        "import sys, training.augmentation, training.augmentation.mixup\n"
        "heavy = {'torch', 'transformers', 'datasets', 'peft', 'sklearn'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
