"""A real tiny model's directory, calibrated: weights, star head, rating.json and what is said."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from classifier.artefact import open_artefact
from classifier.model_files import RATING, STAR_HEAD
from classifier.predictor import open_predictor
from classifier.rating_file import read_rating_file
from classifier.ratings import ConfidenceMap, ProbabilityMap, StarRule
from classifier.windows import RULE
from tests import tiny
from training.calibration.calibrating import (
    CalibrationRows,
    calibrate,
    calibrate_if_possible,
    measures_of_test,
)
from training.calibration.errors import CalibrationError
from training.evaluation.evaluating import evaluate_in_detail

LABELS = ("NEGATIVE", "POSITIVE")


def stars_of(label: int, rng: random.Random) -> int:
    return rng.choices(
        (7, 8, 9, 10) if label else (1, 2, 3, 4), (1, 2, 2, 5)[:: 1 if label else -1]
    )[0]


def frame(count: int, *, seed: int = 0, wrong: float = 0.15) -> pd.DataFrame:
    """Sentences with labels, of which a share is wrong, and stars that go with them."""
    rng = random.Random(seed)
    rows = []
    for index in range(count):
        said = index % 2
        label = 1 - said if rng.random() < wrong else said
        stars = stars_of(label, rng)
        text = tiny.sentence(said, rng, words=rng.randrange(4, 60))
        rows.append((text, label, stars, stars))
    return pd.DataFrame(rows, columns=["text", "label", "star_low", "star_high"])


def known(count: int = 400, **changes: Any) -> CalibrationRows:
    return CalibrationRows(frame(count, **changes), LABELS, dataset="sentences")


@pytest.fixture
def model(tiny_model_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "model"))


@pytest.fixture
def star_model(model: Path) -> Path:
    import torch

    from classifier.star_head import StarHead, write_star_head

    # It knows how common each star is, and is twice too sure of it.
    bias = 2 * torch.tensor([5, 2, 2, 1, 0.01, 0.01, 1, 2, 2, 5]).log()
    torch.manual_seed(0)
    write_star_head(StarHead(0.01 * torch.randn(10, 32), bias), model)
    return model


def outputs(directory: Path, texts: list[str]) -> Any:
    artefact = open_artefact(directory, models_dir=directory.parent)
    return open_predictor(artefact, engine="torch").outputs(texts, rule=RULE)


def test_the_weights_give_calibrated_probabilities_with_no_code_of_ours(model: Path) -> None:
    from transformers import pipeline

    texts = frame(20, seed=5)["text"].str.split().str[:6].str.join(" ").tolist()
    before = outputs(model, texts).logits
    fresh = frame(600, seed=1)
    raw = evaluate_in_detail(model, fresh, LABELS).measures

    facts = calibrate(model, known())

    rate = pipeline("text-classification", model=str(model))
    divided = before / facts["temperature"]
    expected = np.exp(divided.max(axis=1)) / np.exp(divided).sum(axis=1)
    assert [one["score"] for one in rate(texts)] == pytest.approx(expected.tolist(), abs=1e-5)
    assert facts["temperature"] > 1  # the labels are noisier than those that it learnt
    after = evaluate_in_detail(model, fresh, LABELS).measures
    assert after["calibration_error"] < raw["calibration_error"] - 0.03
    assert after["roc_auc"] == pytest.approx(raw["roc_auc"], abs=0.01)


def test_a_model_without_a_star_head_gets_steps_of_p(model: Path) -> None:
    facts = calibrate(model, known())
    content = json.loads((model / RATING).read_text())
    assert isinstance(read_rating_file(model).rating_map, ProbabilityMap)
    assert (facts["map"], content["window_rule"]) == ("probability", facts["window_rule"])
    fitted = content["fitted"]
    assert (fitted["rows"], fitted["rows_with_stars"], fitted["dataset"]) == (400, 400, "sentences")
    assert fitted["validation"] == facts["validation"]
    validation = facts["validation"]
    assert validation["after"]["rating_mae"] < validation["before"]["rating_mae"]
    assert 0.7 <= validation["after"]["rating_coverage"] <= 0.9
    measures = evaluate_in_detail(model, frame(300, seed=2), LABELS).measures
    assert 0.7 <= measures["rating_coverage"] <= 0.9


def test_the_star_head_is_folded_and_decides(star_model: Path) -> None:
    texts = ["a lovely film", "the plot was dull"]
    before = outputs(star_model, texts)
    facts = calibrate(star_model, known())
    after = outputs(star_model, texts)
    assert isinstance(read_rating_file(star_model).rating_map, StarRule)
    assert facts["star_temperature"] == pytest.approx(2, rel=0.15)
    assert before.star_logits / facts["star_temperature"] == pytest.approx(
        after.star_logits, abs=1e-4
    )
    assert before.logits / facts["temperature"] == pytest.approx(after.logits, abs=1e-4)
    assert {path.name for path in star_model.iterdir()} >= {RATING, STAR_HEAD}
    assert not list(star_model.glob(".*"))


def test_calibrating_again_changes_next_to_nothing(star_model: Path) -> None:
    first = calibrate(star_model, known())
    second = calibrate(star_model, known())
    assert second["temperature"] == pytest.approx(1, abs=0.01)
    assert second["star_temperature"] == pytest.approx(1, abs=0.02)
    assert second["validation"]["before"]["rating_mae"] == pytest.approx(
        first["validation"]["after"]["rating_mae"], abs=0.3
    )


@pytest.mark.parametrize("wanted", ["none", "auto"])
def test_without_stars_or_the_wish_ratings_stay_the_models_confidence(
    star_model: Path, wanted: str
) -> None:
    rows = known()
    if wanted == "auto":
        rows = CalibrationRows(rows.frame[["text", "label"]], LABELS, dataset="sentences")
    facts = calibrate(star_model, rows, rating=wanted)  # type: ignore[arg-type]
    assert isinstance(read_rating_file(star_model).rating_map, ConfidenceMap)
    assert "star_temperature" not in facts
    assert set(facts["validation"]["after"]) >= {"calibration_error", "log_loss"}


def test_of_other_labels_only_the_temperature_is_fitted(tmp_path: Path) -> None:
    model = tiny.write_classifier(tmp_path / "moods", labels=("anger", "joy"))
    rows = CalibrationRows(frame(100), ("anger", "joy"), dataset="moods")
    facts = calibrate(model, rows)
    assert facts["temperature"] > 1
    assert (facts["map"], facts["window_rule"], facts["rules"]) == ("", RULE, {})
    assert not (model / RATING).exists()


def test_the_rules_of_windows_are_compared_on_long_texts(model: Path) -> None:
    facts = calibrate(model, known())
    assert facts["long_rows"] > 100
    assert facts["rules"][RULE]["gain"] == 0
    assert facts["window_rule"] in facts["rules"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [(known(8), "5 rows or more of two labels"), (known(60, wrong=0.0), "last linear layer")],
)
def test_what_cannot_be_calibrated_stays_as_it_is(
    model: Path, rows: CalibrationRows, message: str
) -> None:
    from safetensors.torch import load_file, save_file

    if "layer" in message:
        tensors = load_file(model / "model.safetensors")
        save_file(
            {f"x{name}": value for name, value in tensors.items()}, model / "model.safetensors"
        )
    content = (model / "model.safetensors").read_bytes()
    with pytest.raises(CalibrationError, match=message):
        calibrate(model, rows)
    assert message.split()[0] in calibrate_if_possible(model, rows)["reason"]
    assert (model / "model.safetensors").read_bytes() == content
    assert not (model / RATING).exists()


def test_measures_before_are_those_that_the_test_rows_had(model: Path) -> None:
    rows = frame(200, seed=3)
    before = evaluate_in_detail(model, rows, LABELS, rule=RULE).measures
    facts = calibrate(model, known())
    evaluation = evaluate_in_detail(model, rows, LABELS, rule=RULE)
    found = measures_of_test(evaluation, facts["temperature"])
    for name in ("calibration_error", "rating_mae", "rating_exact"):
        assert found["before"][name] == pytest.approx(before[name], abs=1e-3)
        assert found["after"][name] == pytest.approx(evaluation.measures[name], abs=1e-6)
