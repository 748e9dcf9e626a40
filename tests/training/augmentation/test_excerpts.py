import numpy as np
import pandas as pd
import pytest

from training.augmentation.excerpts import MOST_WORDS, add_excerpts
from training.data.reading import DataError

REVIEW = (
    "The first hour drags along. Nobody in it seems to care!<br /><br />Then the storm comes. "
    "I held my breath until the very end. See it with Mr. Miller."
)


def frame(texts: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        {"text": texts, "label": [index % 2 for index in range(len(texts))], "star_low": 3}
    )


def test_excerpts_are_neighbouring_sentences_with_all_else_of_their_row() -> None:
    rows = add_excerpts(frame([REVIEW, REVIEW + " Twice."]), 20, seed=0)
    excerpts = rows[rows["excerpt"]]
    plain = REVIEW.replace("<br /><br />", " ")
    assert len(rows) - len(excerpts) == 2
    assert len(excerpts) > 30
    assert all(text in plain + " Twice." and text != plain for text in excerpts["text"])
    assert not any("<br" in text or text.endswith("Mr.") for text in excerpts["text"])
    assert {text.count(".") + text.count("!") for text in excerpts["text"]} >= {1, 2, 3}
    assert excerpts["label"].value_counts().min() > 10
    assert set(excerpts["star_low"]) == {3}


def test_excerpts_are_drawn_evenly_and_by_seed() -> None:
    texts = [f"{REVIEW} Number {number} of them it was." for number in range(40)]
    first, again, other = (add_excerpts(frame(texts), 0.5, seed=seed) for seed in (0, 0, 1))
    assert first.equals(again)
    assert not first.equals(other)
    assert first["excerpt"].sum() <= 20
    labels = add_excerpts(frame(texts), 2, seed=0).query("excerpt")["label"].value_counts()
    assert labels.max() <= 40  # of 20 rows of each label, twice each


def test_what_is_too_short_or_too_long_is_no_excerpt() -> None:
    long = " ".join(["word"] * MOST_WORDS)
    texts = ["Good. Fine. I liked it a lot.", f"{long} end. {long} once more."]
    found = add_excerpts(frame(texts), 30, seed=0).query("excerpt")["text"]
    assert set(found) == {"I liked it a lot.", "Fine. I liked it a lot."}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (frame(["One sentence alone it is."]), "none of 1 rows"),
        (frame([REVIEW]).assign(text_pair="So?"), "Leave out --excerpts"),
    ],
)
def test_rows_that_cannot_be_cut_are_refused(rows: pd.DataFrame, said: str) -> None:
    with pytest.raises(DataError, match=said):
        add_excerpts(rows, 1, seed=0)


def test_soft_labels_go_along() -> None:
    soft = frame([REVIEW, REVIEW]).assign(soft_labels=[np.nan, [0.2, 0.8]])
    rows = add_excerpts(soft, 10, seed=0)
    of_second = rows[rows["excerpt"] & (rows["label"] == 1)]
    assert len(of_second)
    assert all(labels == [0.2, 0.8] for labels in of_second["soft_labels"])
