import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from django.core.management import CommandError, call_command

from training.config import DataConfig
from training.data.inspection import Inspection, inspect_dataset


def write(directory: Path, **splits: list[tuple[Any, Any]]) -> Path:
    for split, rows in splits.items():
        frame = pd.DataFrame(rows, columns=["text", "label"])
        frame.to_csv(directory / f"{split}.csv", index=False)
    return directory


def inspected(directory: Path, *, seed: int = 0, examples: int = 3, **data: Any) -> Inspection:
    config = DataConfig(dataset=str(directory), **data)
    return inspect_dataset(config, datasets_dir=directory, seed=seed, examples=examples)


def command(directory: Path, **options: Any) -> str:
    out = io.StringIO()
    call_command("inspect_dataset", str(directory), stdout=out, **options)
    return out.getvalue()


def test_rows_labels_and_unlabelled_rows_are_counted(tmp_path: Path) -> None:
    write(tmp_path, train=[("good", 1), ("fine", 1), ("bad", 0), ("odd", -1)], test=[("dull", 0)])
    found = inspected(tmp_path).splits
    assert (found["train"].rows, found["train"].unlabelled) == (4, 1)
    assert found["train"].classes == {"1": 2, "0": 1}
    assert found["test"].classes == {"0": 1}


def test_labels_have_the_names_that_are_given(tmp_path: Path) -> None:
    write(tmp_path, train=[("good", 1), ("bad", 0)])
    assert inspected(tmp_path, label_names="no, yes").splits["train"].classes == {"yes": 1, "no": 1}


def test_lengths_are_in_characters_words_and_tokens(tmp_path: Path, tiny_base_dir: Path) -> None:
    write(tmp_path, train=[("good film", 1), ("bad", 0), ("a very dull film", 0)])
    lengths = inspected(tmp_path).splits["train"].lengths
    assert lengths["characters"].values == (9, 3, 16)
    assert [lengths["words"].quantile(share) for share in (0, 0.5, 1)] == [1, 2, 4]
    assert lengths["words"].share_above(1) == pytest.approx(2 / 3)
    assert "tokens" not in lengths
    shown = command(tmp_path, tokenizer=str(tiny_base_dir))
    assert any(
        line.split() == ["train", "tokens", "3", "4", "6", "6"] for line in shown.splitlines()
    )
    assert "0.0% above 128" in shown


def test_duplicates_are_found_within_and_across_splits(tmp_path: Path) -> None:
    write(
        tmp_path,
        train=[("Good  film", 1), ("good film", 0), ("good film", 1), ("bad", 0)],
        test=[("GOOD FILM", 1), ("new", 0)],
    )
    found = inspected(tmp_path)
    assert found.splits["train"].repeated == 2
    assert found.splits["train"].contradictory == 1
    assert found.shared == {("train", "test"): 1}


def test_bad_rows_are_counted_and_the_first_are_shown(tmp_path: Path) -> None:
    rows: list[tuple[Any, Any]] = [("good", 1), (" ", 0), ("fine", ""), *[("", 0)] * 6]
    write(tmp_path, train=rows)
    found = inspected(tmp_path)
    assert found.splits["train"].bad_rows == 8
    assert [row.number for row in found.splits["train"].first_bad_rows] == [2, 3, 4, 5, 6]
    assert "needs a label" in found.splits["train"].first_bad_rows[1].message
    assert "Row 2 of train" in found.refusal
    shown = command(tmp_path)
    assert "row 2 of train: A text must have" in shown
    assert "and 3 more of train" in shown
    assert "It would refuse: Row 2 of train" in shown


def test_nulls_of_a_parquet_file_are_bad_rows_and_no_class(tmp_path: Path) -> None:
    pd.DataFrame({"text": ["good", None, "bad"], "label": [1.0, 0.0, None]}).to_parquet(
        tmp_path / "train.parquet"
    )
    found = inspected(tmp_path).splits["train"]
    assert [row.number for row in found.first_bad_rows] == [2, 3]
    assert found.classes == {"1": 1, "0": 1}


def test_pairs_are_read_as_one(tmp_path: Path, tiny_base_dir: Path) -> None:
    frame = pd.DataFrame(
        {"question": ["Хорошо?", "Хорошо?"], "passage": ["да", "нет"], "label": ["да", "нет"]}
    )
    frame.to_csv(tmp_path / "train.csv", index=False)
    found = inspected(tmp_path, text_column="question", text_pair_column="passage")
    train = found.splits["train"]
    assert train.repeated == 0
    assert train.lengths["words"].values == (2, 2)
    assert train.examples == {"да": ("Хорошо? | да",), "нет": ("Хорошо? | нет",)}
    single = inspected(tmp_path, text_column="question").splits["train"]
    assert (single.repeated, single.contradictory) == (1, 1)


def test_examples_are_drawn_by_seed_for_each_label(tmp_path: Path) -> None:
    write(tmp_path, train=[(f"text {index}", index % 3) for index in range(90)])
    drawn = [inspected(tmp_path, seed=seed).splits["train"].examples for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert {label: len(texts) for label, texts in drawn[0].items()} == {"0": 3, "1": 3, "2": 3}
    assert inspected(tmp_path, examples=0).splits["train"].examples["0"] == ()


def test_what_finetune_would_use_follows_the_options(tmp_path: Path) -> None:
    write(tmp_path, train=[(f"text {index}", index % 2) for index in range(300)])
    assert sum(inspected(tmp_path).used.values()) == 300
    assert inspected(tmp_path).labels == ("NEGATIVE", "POSITIVE")
    assert inspected(tmp_path, train_rows=50).used["train"] == 50
    few, many = (inspected(tmp_path, test_fraction=share).used["test"] for share in (0.1, 0.4))
    assert few < many


def test_groups_are_counted(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(60)], "label": [0, 1] * 30})
    frame.assign(movie=[i // 3 for i in range(60)]).to_csv(tmp_path / "train.csv", index=False)
    assert inspected(tmp_path, group_column="movie").groups == {"train": 20}


def test_a_split_without_labels_is_unlabelled(tmp_path: Path) -> None:
    write(tmp_path, train=[("good", 1), ("bad", 0)])
    pd.DataFrame({"text": ["new"]}).to_csv(tmp_path / "test.csv", index=False)
    assert inspected(tmp_path).splits["test"].unlabelled == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"text_column": "body"}, "body is not among text, label"),
        ({"label_column": "mood"}, "mood is not among text, label"),
        ({"text_pair_column": "passage"}, "passage is not among text, label"),
        ({"test_fraction": 2.0}, "test_fraction must lie"),
        ({"examples": -1}, "0 or more"),
    ],
)
def test_wrong_options_say_what_is_wrong(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    write(tmp_path, train=[("good", 1), ("bad", 0)])
    with pytest.raises(CommandError, match=message):
        command(tmp_path, **options)


def test_the_command_draws_pictures_and_writes_no_control_characters(tmp_path: Path) -> None:
    write(tmp_path, train=[("good \x1b[31mfilm", 1), ("bad", 0)])
    shown = command(tmp_path, output=tmp_path / "pictures")
    assert "\x1b" not in shown
    assert {file.name for file in (tmp_path / "pictures").iterdir()} == {
        *("classes.png", "lengths.png")
    }


def test_many_labels_are_cut_short_on_the_terminal(tmp_path: Path) -> None:
    write(tmp_path, train=[(f"text {index}", f"intent {index}") for index in range(50)])
    assert "and 10 rarer labels" in command(tmp_path, examples=1)
