import random

import numpy as np
import pandas as pd
import pytest

from tests import tiny
from training.data.reading import DataError
from training.ensemble.linear import LinearModel, cross_fitted

LABELS = ("NEGATIVE", "POSITIVE")
# How a reviewer of so many stars speaks.
BY_STARS = {
    1: "awful",
    2: "bad",
    3: "dull",
    4: "cold",
    7: "good",
    8: "warm",
    9: "lovely",
    10: "joy",
}


def sentences(count: int, *, seed: int = 3) -> pd.DataFrame:
    rng = random.Random(seed)
    labels = [index % 2 for index in range(count)]
    return pd.DataFrame({"text": [tiny.sentence(label, rng) for label in labels], "label": labels})


def starred(count: int, *, seed: int = 3) -> pd.DataFrame:
    """Reviews whose words tell their stars, 1 .. 4 and 7 .. 10."""
    rng = random.Random(seed)
    stars = [rng.choice(list(BY_STARS)) for _ in range(count)]
    texts = [
        " ".join([f"{BY_STARS[star]} {BY_STARS[star]}", *rng.choices(tiny.OTHER_WORDS, k=5)])
        for star in stars
    ]
    labels = [int(star > 5) for star in stars]
    return pd.DataFrame({"text": texts, "label": labels, "star_low": stars, "star_high": stars})


def test_it_learns_which_words_tell_the_labels_apart() -> None:
    said = LinearModel.fit(sentences(200), LABELS).beliefs(sentences(100, seed=4)["text"].tolist())
    assert said.labels.shape == (100, 2)
    assert said.labels.sum(axis=1) == pytest.approx(1)
    assert (said.labels.argmax(axis=1) == [index % 2 for index in range(100)]).mean() > 0.9
    assert said.stars is None


def test_the_order_of_the_labels_is_that_of_the_data() -> None:
    rows, texts = sentences(200), sentences(20, seed=4)["text"].tolist()
    forward = LinearModel.fit(rows, LABELS).beliefs(texts).labels
    turned = LinearModel.fit(rows.assign(label=1 - rows["label"]), LABELS[::-1]).beliefs(texts)
    assert turned.labels[:, ::-1] == pytest.approx(forward, abs=1e-3)


def test_more_labels_are_told_one_from_the_rest() -> None:
    rows = pd.DataFrame(
        {"text": ["red car", "green field", "blue sea"] * 10, "label": [0, 1, 2] * 10}
    )
    said = LinearModel.fit(rows, ("r", "g", "b")).beliefs(["green green", "blue", "a red thing"])
    assert said.labels.argmax(axis=1).tolist() == [1, 2, 0]
    assert said.labels.sum(axis=1) == pytest.approx(1)


def test_two_words_tell_more_than_each() -> None:
    texts = ["not good", "not bad", "very bad", "very good"] * 10
    rows = pd.DataFrame({"text": texts, "label": [0, 1, 0, 1] * 10})
    said = LinearModel.fit(rows, LABELS).beliefs(["it was not good", "it was not bad"]).labels
    assert said.argmax(axis=1).tolist() == [0, 1]


def test_ratings_share_the_probability_of_their_sentiment() -> None:
    said = LinearModel.fit(starred(400), LABELS).beliefs(starred(60, seed=4)["text"].tolist())
    assert said.stars is not None
    assert (said.stars >= 0).all()
    assert said.stars[:, :5].sum(axis=1) == pytest.approx(said.labels[:, 0])
    assert said.stars[:, 5:].sum(axis=1) == pytest.approx(said.labels[:, 1])


def test_ratings_are_learnt_and_those_that_never_occur_get_nothing() -> None:
    rows = starred(60, seed=4)
    said = LinearModel.fit(starred(800), LABELS).beliefs(rows["text"].tolist()).stars
    assert said is not None
    assert (said.argmax(axis=1) + 1 == rows["star_low"]).mean() > 0.9
    assert (said[:, 4:6] == 0).all()


def test_stars_on_a_scale_of_five_cover_two_ratings_each() -> None:
    rows = starred(400)
    low = (rows["star_low"] + 1) // 2 * 2 - 1
    said = (
        LinearModel.fit(rows.assign(star_low=low, star_high=low + 1), LABELS)
        .beliefs(["lovely lovely film", "awful awful film"])
        .stars
    )
    assert said is not None
    assert said[0, 8] == pytest.approx(said[0, 9])  # 9 and 10 are told apart by no row
    assert said[0].argmax() in (8, 9)
    assert said[1].argmax() in (0, 1)


def test_three_stars_of_five_are_on_the_side_of_their_label() -> None:
    rows = pd.DataFrame(
        {
            "text": ["so so bad", "so so good", "very bad", "very good"] * 10,
            "label": [0, 1] * 20,
            "star_low": [5, 5, 1, 9] * 10,
            "star_high": [6, 6, 2, 10] * 10,
        }
    )
    said = LinearModel.fit(rows, LABELS).beliefs(["so so bad", "so so good"]).stars
    assert said is not None
    assert said.argmax(axis=1).tolist() == [4, 5]


def test_rows_without_stars_teach_labels_alone() -> None:
    rows = starred(200).assign(star_low=0, star_high=0)
    assert not LinearModel.fit(rows, LABELS).has_stars
    some = starred(200)
    some.loc[: len(some) // 2, ["star_low", "star_high"]] = 0
    assert LinearModel.fit(some, LABELS).has_stars


def test_a_fit_is_repeatable() -> None:
    rows, texts = starred(200), ["a joy of a film", "cold meal"]
    first, second = (LinearModel.fit(rows, LABELS).beliefs(texts) for _ in range(2))
    assert first.labels.tolist() == second.labels.tolist()
    assert first.stars is not None
    assert second.stars is not None
    assert first.stars.tolist() == second.stars.tolist()


def test_cross_fitting_never_reads_a_row_of_the_same_group() -> None:
    """Each group has its own word, which gives its label away to whoever saw the group."""
    rng = random.Random(5)
    groups = [index // 4 for index in range(400)]
    label_of = {group: rng.randrange(2) for group in set(groups)}
    rows = pd.DataFrame(
        {
            "text": [f"word{group} it was a film number{i}" for i, group in enumerate(groups)],
            "label": [label_of[group] for group in groups],
            "movie": [f"m{group}" for group in groups],
        }
    )
    truth = rows["label"].to_numpy()
    seen = LinearModel.fit(rows, LABELS).beliefs(rows["text"].tolist()).labels.argmax(axis=1)
    honest = cross_fitted(rows, LABELS, group_column="movie").labels.argmax(axis=1)
    by_text = cross_fitted(rows, LABELS).labels.argmax(axis=1)
    none = cross_fitted(rows.assign(movie=None), LABELS, group_column="movie").labels
    assert (seen == truth).mean() == 1
    assert (honest == truth).mean() < 0.65
    assert (by_text == truth).mean() > 0.9
    assert (none.argmax(axis=1) == by_text).all()


def test_cross_fitting_gives_stars_and_every_row_its_own() -> None:
    rows = starred(300)
    said = cross_fitted(rows, LABELS, folds=3)
    assert said.stars is not None
    assert said.stars.sum(axis=1) == pytest.approx(1)
    assert (said.stars.argmax(axis=1) + 1 == rows["star_low"]).mean() > 0.9
    turned = cross_fitted(rows[::-1].reset_index(drop=True), LABELS, folds=3)
    assert np.allclose(turned.labels[::-1], said.labels, atol=1e-3)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pd.DataFrame({"text": ["good film"] * 3, "label": [1] * 3}), "none of NEGATIVE"),
        (pd.DataFrame({"text": ["good", "bad"], "label": [1, 0]}), "words that stand in 2 rows"),
    ],
)
def test_rows_that_teach_nothing_are_refused(rows: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError, match=message):
        LinearModel.fit(rows, LABELS)


def test_a_group_that_is_no_column_is_refused() -> None:
    with pytest.raises(DataError, match="group_column must be a column"):
        cross_fitted(sentences(20), LABELS, group_column="movie")
