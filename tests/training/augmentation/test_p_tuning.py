import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests import tiny
from training.augmentation import p_tuning
from training.augmentation.p_tuning import SEPARATOR, generate_rows, load_generator
from training.config import ConfigError
from training.data.reading import DataError

WORDS = (*tiny.POSITIVE_WORDS, *tiny.NEGATIVE_WORDS, *tiny.OTHER_WORDS)


@pytest.fixture(scope="module")
def writer_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny GPT-2 that has seen sentences of the vocabulary, and its tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    directory = tmp_path_factory.mktemp("models") / "tiny-writer"
    tokens = ["<end>", "<unknown>", *WORDS]
    inner = Tokenizer(models.WordLevel(dict(zip(tokens, range(99), strict=False)), "<unknown>"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<end>", unk_token="<unknown>", pad_token="<unknown>"
    )
    torch.manual_seed(0)
    model: Any = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokens),
            n_positions=96,
            n_embd=32,
            n_layer=2,
            n_head=2,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rng = random.Random(0)
    for _ in range(400):
        texts = []
        for label in rng.choices((0, 1), k=16):
            # The second goes on in the mood of the first, so that a prompt can set the mood.
            first, second = (tiny.sentence(label, rng, words=rng.randrange(3, 7)) for _ in "12")
            texts.append(f"{first} <end> {second} <end>")
        batch = tokenizer(texts, return_tensors="pt", padding=True)
        ids, places = batch["input_ids"], torch.arange(batch["input_ids"].shape[1])
        places = places[None] + rng.randrange(60)  # as behind prompt and passage
        labels = ids.masked_fill(batch["attention_mask"] == 0, -100)
        model(input_ids=ids, position_ids=places, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.eval().save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def reviews(negative: int = 12, positive: int = 20) -> pd.DataFrame:
    rng = random.Random(1)
    labels = [0] * negative + [1] * positive
    texts = [tiny.sentence(label, rng, words=rng.randrange(3, 9)) for label in labels]
    return pd.DataFrame({"text": texts, "label": labels})


def pairs() -> pd.DataFrame:
    rng = random.Random(2)
    frame = reviews()
    return frame.assign(text_pair=[tiny.sentence(0, rng, words=50) for _ in range(len(frame))])


def write(frame: pd.DataFrame, model: Path, **options: float) -> pd.DataFrame:
    settings = {"rows": 0, "seed": 0, "epochs": 6.0, **options}
    return generate_rows(frame, model=str(model), device="cpu", **settings)  # type: ignore[arg-type]


def test_it_writes_as_many_new_texts_of_the_smallest_class_as_are_missing(
    writer_dir: Path,
) -> None:
    frame = reviews()
    made = write(frame, writer_dir)
    assert made["label"].tolist() == [0] * 8
    assert made["text"].is_unique
    assert not set(made["text"]) & set(frame["text"])
    lengths = frame.loc[frame["label"] == 0, "text"].str.len()
    assert made["text"].str.len().between(lengths.min(), lengths.max()).all()
    assert set(" ".join(made["text"]).split()) <= {*WORDS, "<unknown>"}


def test_rows_say_which_model_wrote_them(writer_dir: Path) -> None:
    made = write(reviews(), writer_dir, seed=3)
    assert set(made["generated_by"]) == {"p_tuning"}
    assert set(made["generator_model"]) == {"tiny-writer"}
    assert set(made["generator_revision"].str[:7]) == {"sha256:"}
    assert set(made["generator_seed"]) == {3}
    assert set(made["source_row"]) == {-1}


def test_questions_are_written_to_passages_of_the_data(writer_dir: Path) -> None:
    frame = pairs()
    made = write(frame, writer_dir)
    assert len(made) == 8
    for _, row in made.iterrows():
        assert row["text_pair"] == frame["text_pair"][row["source_row"]]
        assert SEPARATOR not in row["text"]


def test_every_class_has_a_prompt_of_its_own(writer_dir: Path) -> None:
    made = write(reviews(15, 15), writer_dir, rows=30, epochs=30.0)
    assert made["label"].value_counts().to_dict() == {0: 15, 1: 15}
    telling = [set(tiny.NEGATIVE_WORDS), set(tiny.POSITIVE_WORDS)]
    own, other = (
        sum(
            len(set(text.split()) & telling[label if same else 1 - label])
            for text, label in zip(made["text"], made["label"], strict=True)
        )
        for same in (True, False)
    )
    assert own > 5 * other


def test_padding_in_a_batch_changes_nothing_of_what_is_written(
    writer_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(p_tuning, "TOP_P", 1e-9)  # always the likeliest word: no draw matters
    frame = reviews().assign(text_pair="the film was good")
    frame.loc[0, "text_pair"] = "we had a very dull evening with the awful cast " * 3
    generator = load_generator(str(writer_dir), device="cpu")
    rng = np.random.default_rng(0)
    writer = p_tuning._Writer(generator, frame, 0, rng)
    writer.learn(6.0)
    assert writer._continue([0, 1]) == writer._continue([0]) + writer._continue([1])


def test_seed_and_epochs_decide_what_is_written(writer_dir: Path) -> None:
    texts = [
        write(reviews(), writer_dir, **options)["text"].tolist()
        for options in ({}, {}, {"seed": 1}, {"epochs": 1.0})
    ]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]
    assert texts[0] != texts[3]


def test_torchs_own_generator_is_left_as_it_was(writer_dir: Path) -> None:
    before = torch.get_rng_state()
    write(reviews(), writer_dir, rows=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_too_little_that_can_be_used_is_an_error_that_says_why(writer_dir: Path) -> None:
    frame = pd.DataFrame({"text": ["good", "bad", "bad film"], "label": [0, 1, 1]})
    with pytest.raises(DataError, match=r"write 41 usable rows of label 0, but in 4\d\d attempts"):
        write(frame, writer_dir, rows=81)


def test_nothing_is_loaded_where_nothing_is_missing(tmp_path: Path) -> None:
    assert write(reviews(5, 5), tmp_path / "nothing").empty


@pytest.mark.parametrize("kind", ["nothing", "classifier"])
def test_what_cannot_write_is_refused(tmp_path: Path, tiny_base_dir: Path, kind: str) -> None:
    source = tmp_path / "nothing" if kind == "nothing" else tiny_base_dir
    with pytest.raises(ConfigError, match="generator_model must"):
        load_generator(str(source), device="cpu")
