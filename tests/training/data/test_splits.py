import random
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests import tiny
from training.config import DataConfig, ModelConfig
from training.data.reading import DataError, read_dataset
from training.data.splits import LabelledSplits, carve, draw_rows, load_split, load_splits
from training.data.tokenization import tokenize


def rows(count: int, seed: int = 0) -> pd.DataFrame:
    rng = random.Random(seed)
    labels = [index % 2 for index in range(count)]
    texts = [f"{tiny.sentence(label, rng)} {index}" for index, label in enumerate(labels)]
    return pd.DataFrame({"text": texts, "label": labels})


def load(path: Path, **options: object) -> dict[str, pd.DataFrame]:
    config = DataConfig(dataset=str(path), **options)  # type: ignore[arg-type]
    splits = load_splits(config, datasets_dir=path.parent, seed=0)
    return {"train": splits.train, "validation": splits.validation, "test": splits.test}


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str) -> None:
    frame = rows(200)
    file = tmp_path / f"reviews.{suffix}"
    {
        "csv": lambda: frame.to_csv(file, index=False),
        "jsonl": lambda: frame.to_json(file, orient="records", lines=True),
        "parquet": lambda: frame.to_parquet(file),
    }[suffix]()
    splits = load(file)
    everything = pd.concat(splits.values()).sort_values("text")
    assert everything["text"].tolist() == sorted(frame["text"])
    assert everything["label"].sum() == frame["label"].sum()


def test_a_single_file_is_carved_into_three_parts_that_share_no_text(tmp_path: Path) -> None:
    file = tmp_path / "reviews.csv"
    pd.concat([rows(300), rows(300)]).to_csv(file, index=False)
    splits = load(file)
    texts = {name: set(frame["text"]) for name, frame in splits.items()}
    assert all(texts.values())
    assert not texts["train"] & texts["test"]
    assert not texts["train"] & texts["validation"]
    assert not texts["validation"] & texts["test"]
    assert sum(map(len, splits.values())) == 600


def test_a_row_stays_on_its_side_when_rows_are_added_or_shuffled(tmp_path: Path) -> None:
    few, many = rows(200), rows(400)
    many.loc[:199] = few
    few.to_csv(tmp_path / "few.csv", index=False)
    many.sample(frac=1, random_state=1).to_csv(tmp_path / "many.csv", index=False)
    before, after = load(tmp_path / "few.csv"), load(tmp_path / "many.csv")
    for name in ("validation", "test"):
        assert set(before[name]["text"]) <= set(after[name]["text"])


def test_groups_stay_together() -> None:
    frame = rows(300).assign(movie=[f"m{index % 30}" for index in range(300)])
    kept, carved = carve(frame, 0.2, group_column="movie", salt="validation")
    assert len(carved)
    assert not set(kept["movie"]) & set(carved["movie"])


def test_groups_are_joined_from_a_table_beside_the_data(tmp_path: Path) -> None:
    frame = rows(300).assign(id=range(300))
    frame.to_parquet(tmp_path / "train.parquet")
    rows(50, seed=1).to_parquet(tmp_path / "test.parquet")
    movies = pd.DataFrame(
        {"split": "train", "id": range(300), "movie": [i // 10 for i in range(300)]}
    )
    movies.to_parquet(tmp_path / "movies.parquet")
    splits = load(tmp_path, group_column="movie", group_table="movies.parquet")
    assert len(splits["test"]) == 50
    assert not set(splits["train"]["movie"]) & set(splits["validation"]["movie"])
    assert sum(map(len, splits.values())) == 350


def test_a_group_table_that_lacks_rows_is_refused(tmp_path: Path) -> None:
    rows(20).assign(id=range(20)).to_parquet(tmp_path / "train.parquet")
    pd.DataFrame({"id": range(5), "movie": "x"}).to_parquet(tmp_path / "movies.parquet")
    with pytest.raises(DataError, match=r"movies\.parquet does not give"):
        load(tmp_path, group_column="movie", group_table="movies.parquet")


def test_a_given_test_split_is_not_touched(tmp_path: Path) -> None:
    rows(200).to_csv(tmp_path / "train.csv", index=False)
    held_out = rows(40, seed=7)
    held_out.to_csv(tmp_path / "test.csv", index=False)
    assert load(tmp_path)["test"]["text"].tolist() == held_out["text"].tolist()


def test_unlabelled_rows_are_left_out(tmp_path: Path) -> None:
    frame = rows(200)
    frame.loc[:49, "label"] = -1
    frame.to_csv(tmp_path / "reviews.csv", index=False)
    assert sum(map(len, load(tmp_path / "reviews.csv").values())) == 150


@pytest.mark.parametrize(
    ("negative", "positive"), [("neg", "pos"), ("Bad ", "GOOD"), ("LABEL_0", "LABEL_1"), (0, 1)]
)
def test_every_spelling_of_the_sentiments_becomes_ours(
    tmp_path: Path, negative: object, positive: object
) -> None:
    frame = rows(200)
    frame["label"] = [positive if label else negative for label in frame["label"]]
    frame.to_csv(tmp_path / "reviews.csv", index=False)
    config = DataConfig(dataset=str(tmp_path / "reviews.csv"))
    splits = load_splits(config, datasets_dir=tmp_path, seed=0)
    assert splits.labels == ("NEGATIVE", "POSITIVE")
    for text, label in zip(splits.train["text"], splits.train["label"], strict=True):
        assert label == any(word in tiny.POSITIVE_WORDS for word in text.split())


def test_other_classes_keep_their_names(tmp_path: Path) -> None:
    frame = rows(300).assign(label=["anger", "joy", "love"] * 100)
    frame.to_csv(tmp_path / "moods.csv", index=False)
    splits = load_splits(DataConfig(dataset="moods"), datasets_dir=tmp_path, seed=0)
    assert splits.labels == ("anger", "joy", "love")


def test_columns_by_another_name_are_found(tmp_path: Path) -> None:
    frame = rows(200).rename(columns={"text": " Review ", "label": "mood"})
    frame.to_csv(tmp_path / "reviews.csv", index=False)
    splits = load(tmp_path / "reviews.csv", text_column="Review", label_column="mood")
    assert sum(map(len, splits.values())) == 200


def test_train_rows_draws_by_seed(tmp_path: Path) -> None:
    rows(300).to_csv(tmp_path / "reviews.csv", index=False)
    config = DataConfig(dataset="reviews", train_rows=50)
    drawn = [
        load_splits(config, datasets_dir=tmp_path, seed=seed).train["text"].tolist()
        for seed in (0, 0, 1)
    ]
    assert len(drawn[0]) == 50
    assert drawn[0] == drawn[1] != drawn[2]


def _frame(text: list[object], label: list[object]) -> pd.DataFrame:
    return pd.DataFrame({"text": text, "label": label})


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"body": ["x"], "label": [1]}), "text is not among body, label"),
        (_frame(["fine", " "], [1, 0]), "Row 2 of train"),
        (_frame(["fine", "nul \0"], [1, 0]), "NUL"),
        (_frame(["fine", "dull"], ["pos", ""]), "needs a label"),
        (_frame(["fine", "dull"], [-1, -1]), "has none"),
        (_frame([f"fine {i}" for i in range(200)], [1] * 200), "two different labels"),
        (_frame(["fine", "dull"], [1, 0]), "Every split needs rows"),
    ],
)
def test_bad_data_are_refused_with_what_is_wrong(
    tmp_path: Path, frame: pd.DataFrame, message: str
) -> None:
    frame.to_parquet(tmp_path / "reviews.parquet")
    with pytest.raises(DataError, match=message):
        load(tmp_path / "reviews.parquet")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reviews.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataError, match=r"reviews\.parquet must be a readable PARQUET"):
        load(tmp_path / "reviews.parquet")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_every_common_encoding_is_read(tmp_path: Path, encoding: str) -> None:
    texts = [f"Un café très agréable, n° {i}: déjà vu, où dîner" for i in range(40)]
    frame = _frame(list(texts), [0, 1] * 20)
    (tmp_path / "cafe.csv").write_bytes(frame.to_csv(index=False).encode(encoding))
    assert read_dataset("cafe", datasets_dir=tmp_path)["train"]["text"].tolist() == texts


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_every_common_delimiter_is_read(tmp_path: Path, delimiter: str) -> None:
    frame = _frame(["fine, really; so | so", "dull"], [1, 0])
    frame.to_csv(tmp_path / "reviews.csv", index=False, sep=delimiter)
    read = read_dataset("reviews", datasets_dir=tmp_path)["train"]
    assert read["text"].tolist() == frame["text"].tolist()


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(DataError, match=r"reviews\.csv must be"):
        read_dataset("reviews", datasets_dir=tmp_path)


def _pairs(count: int = 120) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "question": [f"was the film good {index // 2}" for index in range(count)],
            "passage": [
                f"it was a {'good' if index % 2 else 'bad'} film" for index in range(count)
            ],
            "label": [index % 2 for index in range(count)],
        }
    )


def _pair_splits(tmp_path: Path) -> LabelledSplits:
    _pairs().to_csv(tmp_path / "train.csv", index=False)
    _pairs(20).to_csv(tmp_path / "validation.csv", index=False)
    _pairs(20).assign(label=-1).to_csv(tmp_path / "test.csv", index=False)
    config = DataConfig(
        dataset=str(tmp_path),
        text_column="question",
        text_pair_column="passage",
        group_column="question",
        label_names="no,yes",
        validation_split="",
        test_split="validation",
    )
    return load_splits(config, datasets_dir=tmp_path, seed=0)


def test_pairs_are_carved_by_question_and_tested_on_the_split_named(tmp_path: Path) -> None:
    splits = _pair_splits(tmp_path)
    assert splits.labels == ("no", "yes")
    assert len(splits.test) == 20
    assert not set(splits.train["text"]) & set(splits.validation["text"])
    assert splits.shared_rows()["train/test"] > 0


def test_a_pair_has_segment_ids_and_its_second_text_is_cut(
    tmp_path: Path, tiny_base_dir: Path
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_base_dir)
    frame = pd.DataFrame({"text": ["good film"], "text_pair": ["bad " * 30], "label": [1]})
    [row] = tokenize(frame, tokenizer, ModelConfig(max_length=12))
    assert row["length"] == 12
    assert row["token_type_ids"] == [0] * 4 + [1] * 8
    assert tokenizer.decode(row["input_ids"]) == "[CLS] good film [SEP] " + "bad " * 7 + "[SEP]"


@pytest.mark.parametrize(("how", "goods", "bads"), [("only_second", 6, 3), ("longest_first", 4, 5)])
def test_a_first_text_that_is_too_long_leaves_the_second_room(
    tiny_base_dir: Path, how: Any, goods: int, bads: int
) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_base_dir)
    frame = pd.DataFrame({"text": ["good " * 30], "text_pair": ["bad " * 30], "label": [1]})
    [row] = tokenize(frame, tokenizer, ModelConfig(max_length=12, pair_truncation=how))
    words = tokenizer.convert_ids_to_tokens(row["input_ids"])
    assert (words.count("good"), words.count("bad")) == (goods, bads)


def test_rows_are_drawn_as_the_datasets_library_shuffles() -> None:
    from datasets import Dataset

    frame = rows(50)
    theirs = Dataset.from_pandas(frame).shuffle(seed=123).select(range(20))
    assert draw_rows(frame, 20, seed=123)["text"].tolist() == list(theirs["text"])


def test_label_names_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    rows(40).to_csv(tmp_path / "reviews.csv", index=False)
    with pytest.raises(DataError, match="label_names must name each label"):
        load(tmp_path / "reviews.csv", label_names="anger,joy,love")


def test_a_folder_without_splits_and_an_unknown_name_say_where_they_looked(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="none of them"):
        read_dataset("empty", datasets_dir=tmp_path)
    with pytest.raises(DataError, match="no-such-data"):
        read_dataset("no-such-data", datasets_dir=tmp_path)


def test_a_missing_split_is_an_error_and_not_another_split(tmp_path: Path) -> None:
    rows(20).to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(DataError, match=r"train.*'test'"):
        load_split(DataConfig(dataset=str(tmp_path)), "test", datasets_dir=tmp_path)


def test_one_label_alone_can_be_evaluated(tmp_path: Path) -> None:
    _frame(["dull"], [0]).to_csv(tmp_path / "test.csv", index=False)
    _, labels = load_split(DataConfig(dataset=str(tmp_path)), "test", datasets_dir=tmp_path)
    assert labels == ("NEGATIVE", "POSITIVE")


@pytest.mark.parametrize("long_texts", ["head", "head_tail"])
def test_a_long_text_is_cut_and_a_short_one_is_not(tiny_base_dir: Path, long_texts: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_base_dir)
    long = "good " * 20 + "bad " * 20
    frame = _frame(["good film", long], [1, 0])
    config = ModelConfig(max_length=16, long_texts=long_texts)  # type: ignore[arg-type]
    encoded = tokenize(frame, tokenizer, config)
    assert encoded["length"] == [4, 16]
    assert tokenizer.decode(encoded["input_ids"][0]) == "[CLS] good film [SEP]"
    cut = tokenizer.convert_ids_to_tokens(encoded["input_ids"][1])
    assert cut[0] == "[CLS]"
    assert cut[-1] == "[SEP]"
    assert cut[1:-1].count("bad") == (0 if long_texts == "head" else 7)
