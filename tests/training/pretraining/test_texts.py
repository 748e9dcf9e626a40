"""Which texts a pretraining run reads, and which it must not."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from training.config import DataConfig
from training.data.reading import DataError
from training.data.splits import load_splits
from training.pretraining.config import TextsConfig
from training.pretraining.texts import Texts, load_texts


def write(directory: Path, **splits: list[str]) -> Path:
    directory.mkdir(exist_ok=True)
    for split, texts in splits.items():
        labels = [-1 if split == "unsup" else number % 2 for number in range(len(texts))]
        pd.DataFrame({"text": texts, "label": labels}).to_csv(
            directory / f"{split}.csv", index=False
        )
    return directory


def numbered(kind: str, count: int) -> list[str]:
    return [f"the {kind} review number {number}" for number in range(count)]


def read(data: Path, **options: Any) -> Texts:
    given = {"held_out_fraction": 0.2} | options
    return load_texts(TextsConfig(dataset=str(data), **given), datasets_dir=data, seed=0)


def all_of(texts: Texts) -> set[str]:
    return {*texts.train, *texts.held_out}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(
        tmp_path / "data",
        train=numbered("train", 30),
        validation=numbered("validation", 10),
        test=numbered("test", 10),
        unsup=numbered("unsup", 40),
    )


def test_every_split_but_the_test_split_is_read(folder: Path) -> None:
    texts = read(folder)
    assert texts.read == {"train": 30, "validation": 10, "unsup": 40}
    assert len(all_of(texts)) == 80
    assert not any("test" in text for text in all_of(texts))


def test_texts_of_the_test_split_and_repeated_ones_are_left_out_and_counted(folder: Path) -> None:
    write(folder, unsup=["The  TEST review number 3", *numbered("train", 4), "one of its own"])
    texts = read(folder)
    assert texts.left_out == {"unreadable": 0, "tested": 1, "repeated": 4}
    assert "one of its own" in all_of(texts)
    assert not any("test" in text.casefold() for text in all_of(texts))


def test_what_is_no_text_is_left_out_and_counted(folder: Path) -> None:
    write(folder, unsup=["", "   ", *numbered("unsup", 3)])
    texts = read(folder)
    assert texts.left_out["unreadable"] == 2
    assert "" not in all_of(texts)


def test_splits_of_any_name_can_be_chosen(folder: Path) -> None:
    write(folder, forum=numbered("forum", 20))
    texts = read(folder, splits="forum, train")
    assert texts.read == {"forum": 20, "train": 30}


def test_another_split_can_be_the_test_split(folder: Path) -> None:
    texts = read(folder, test_split="validation", splits="train,unsup")
    assert texts.read == {"train": 30, "unsup": 40}
    write(folder, unsup=numbered("validation", 10) + numbered("other", 20))
    assert read(folder, test_split="validation", splits="unsup").left_out["tested"] == 10


def test_what_finetune_carves_off_as_test_is_not_read(tmp_path: Path) -> None:
    data = write(tmp_path / "data", train=numbered("train", 200))
    splits = load_splits(DataConfig(dataset=str(data)), datasets_dir=data, seed=0)
    texts = read(data)
    assert texts.left_out["tested"] == len(splits.test) > 0
    assert all_of(texts) == {*splits.train["text"], *splits.validation["text"]}


def test_what_finetune_carves_off_by_group_is_not_read(tmp_path: Path) -> None:
    data = write(tmp_path / "data", train=numbered("train", 200))
    frame = pd.read_csv(data / "train.csv")
    frame.assign(movie=[f"movie {row % 40}" for row in range(200)]).to_csv(
        data / "train.csv", index=False
    )
    options: dict[str, Any] = {"group_column": "movie"}
    splits = load_splits(DataConfig(dataset=str(data), **options), datasets_dir=data, seed=0)
    texts = read(data, **options)
    assert not {*splits.test["text"]} & all_of(texts)
    assert len(all_of(texts)) == 200 - len(splits.test)


def test_both_texts_of_a_pair_are_read_as_texts(tmp_path: Path) -> None:
    rows = range(40)
    (tmp_path / "pairs").mkdir()
    for split, start in (("train", 0), ("test", 100)):
        pd.DataFrame(
            {
                "question": [f"was it {start + row}" for row in rows],
                "passage": [f"it was {start + row}" for row in rows],
            }
        ).to_csv(tmp_path / "pairs" / f"{split}.csv", index=False)
    texts = read(tmp_path / "pairs", text_column="question", text_pair_column="passage")
    assert texts.read == {"train": 80}
    assert {"was it 3", "it was 3"} <= all_of(texts)


def test_which_texts_are_held_out_depends_on_the_texts_alone(folder: Path) -> None:
    before = read(folder)
    write(folder, unsup=numbered("unsup", 40)[::-1], train=numbered("train", 30)[::-1])
    after = load_texts(
        TextsConfig(dataset=str(folder), held_out_fraction=0.2), datasets_dir=folder, seed=9
    )
    assert set(before.held_out) == set(after.held_out)
    assert not set(before.held_out) & set(before.train)
    assert 5 <= len(before.held_out) <= 30


def test_rows_are_drawn_by_the_seed(folder: Path) -> None:
    drawn = [
        load_texts(
            TextsConfig(dataset=str(folder), held_out_fraction=0.3, text_rows=20),
            datasets_dir=folder,
            seed=seed,
        )
        for seed in (0, 0, 1)
    ]
    assert [len(all_of(texts)) for texts in drawn] == [20, 20, 20]
    assert all_of(drawn[0]) == all_of(drawn[1]) != all_of(drawn[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splits": "forum"}, "some that .* has .*forum is not. Mend --splits"),
        ({"text_column": "review"}, "must have the columns review.*--text-column"),
        ({"text_rows": 1}, "texts to be (held out|trained on).*--held-out-fraction"),
    ],
)
def test_what_cannot_be_read_says_why(folder: Path, options: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(folder, **options)
