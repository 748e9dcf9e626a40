"""Soft stars: who knows of them, what they are worth, and what is written."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from classifier.artefact import open_artefact
from classifier.predictor import open_predictor
from classifier.ratings import star_distribution
from tests.training.ensemble.test_linear import starred
from training.data.pseudo_rows import STAR_COLUMNS, read_pseudo_rows
from training.ensemble import LinearMember, Member, Request, Unlabelled, open_members, pseudo_label

LABELS = ("NEGATIVE", "POSITIVE")


def request(members: list[Member], validation: pd.DataFrame, *, auto: bool = True) -> Request:
    rows = starred(50, seed=9)
    texts = Unlabelled(rows[["text"]].assign(source_row=range(50)), {})
    return Request(
        labels=LABELS,
        members=members,
        texts=texts,
        validation=validation,
        source={"name": "mine"},
        weights=None if auto else [1.0] * len(members),
    )


@pytest.fixture
def members(tiny_model_dir: Path) -> list[Member]:
    """One that knows no ratings, and one that does."""
    plain = open_members(
        [str(tiny_model_dir)], LABELS, models_dir=tiny_model_dir.parent, engine="torch"
    )
    return [*plain, LinearMember(starred(600), LABELS)]


@pytest.mark.parametrize("auto", [True, False])
def test_stars_are_those_of_the_members_that_know_them(
    members: list[Member], tmp_path: Path, auto: bool
) -> None:
    validation = starred(200, seed=5)
    pseudo_label(request(members, validation, auto=auto), tmp_path / "mine")
    rows = read_pseudo_rows(tmp_path / "mine", LABELS)
    stars = np.array(rows["soft_stars"].tolist())
    truth = starred(50, seed=9)["star_low"].to_numpy()
    assert (stars.argmax(axis=1) + 1 == truth).mean() > 0.9
    positive = np.array(rows["soft_labels"].tolist())[:, 1]
    assert stars[:, 5:].sum(axis=1) == pytest.approx(positive, abs=1e-5)
    facts = json.loads((tmp_path / "mine" / "facts.json").read_text())
    assert facts["stars"] is True
    plain, linear = facts["members"]
    assert plain["star_weight"] == 0
    assert linear["star_weight"] > 0
    assert "rating_mae" not in plain["measures"]
    assert linear["measures"]["rating_mae"] < 0.3
    assert facts["validation"]["rating_exact"] > 0.8
    assert facts["validation"]["rating_spearman"] > 0.9


@pytest.mark.parametrize("engine", ["onnx", "torch"])
def test_the_ratings_of_a_star_head_are_those_that_the_site_shows(
    starred_model_dir: Path, engine: str
) -> None:
    [member] = open_members(
        [str(starred_model_dir)], LABELS, models_dir=starred_model_dir.parent, engine=engine
    )
    texts = starred(100, seed=2)["text"].tolist()
    said = member.read(texts)
    assert said.stars is not None
    artefact = open_artefact(starred_model_dir, models_dir=starred_model_dir.parent)
    outputs = open_predictor(artefact, engine=engine).outputs(texts)
    assert outputs.star_logits is not None
    for row, stars in enumerate(outputs.star_logits.tolist()):
        expected = star_distribution(said.labels[row, 1], stars)
        assert said.stars[row] == pytest.approx(expected, abs=1e-5)


def test_weights_are_fitted_where_validation_has_no_stars(
    members: list[Member], tmp_path: Path
) -> None:
    validation = starred(100, seed=5).drop(columns=["star_low", "star_high"])
    result = pseudo_label(request(members, validation), tmp_path / "mine")
    assert [member["star_weight"] for member in result.facts["members"]] == [0, 1]


def test_an_ensemble_that_knows_no_ratings_writes_none(
    members: list[Member], tmp_path: Path
) -> None:
    pseudo_label(request(members[:1], starred(100, seed=5)), tmp_path / "mine")
    columns = list(pd.read_parquet(tmp_path / "mine" / "train.parquet"))
    assert columns == ["text", "p_NEGATIVE", "p_POSITIVE", "source_row"]
    assert set(STAR_COLUMNS).isdisjoint(columns)


def test_a_boasting_member_is_softened_by_the_temperature(tmp_path: Path) -> None:
    """Trained on labels of which none is wrong, measured on some that are."""
    validation = starred(400, seed=5)
    turned = np.arange(len(validation)) % 4 == 0
    validation["label"] = np.where(turned, 1 - validation["label"], validation["label"])
    member = LinearMember(starred(600).drop(columns=["star_low", "star_high"]), LABELS)
    result = pseudo_label(request([member], validation), tmp_path / "mine")
    assert result.facts["temperature"] > 1.5
    given = np.array(read_pseudo_rows(tmp_path / "mine", LABELS)["soft_labels"].tolist())
    assert given.max(axis=1).mean() == pytest.approx(0.75, abs=0.05)


def test_out_of_fold_rows_and_new_texts_may_be_asked_together() -> None:
    rows = starred(200).drop_duplicates("text").reset_index(drop=True)
    member = LinearMember(rows, LABELS, out_of_fold=True)
    new = "a superb joy joy"
    asked = [rows["text"][3], new, rows["text"][0]]
    said = member.read(asked)
    alone = [member.read([text]) for text in asked]
    assert said.labels == pytest.approx(np.concatenate([one.labels for one in alone]))
    plain = LinearMember(rows, LABELS)
    assert plain.read([new]).labels == pytest.approx(said.labels[1:2])
    assert plain.read(asked[:1]).labels != pytest.approx(said.labels[:1], abs=1e-6)
