"""manage.py calibrate: a new model out of one, by verdicts or by a data set."""

import io
import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from classifier.labels import NEGATIVE, POSITIVE
from classifier.model_files import GRAPH, RATING, revision_of
from classifier.model_store import directory_of
from classifier.models import ModelVersion, Verdict
from classifier.rating_file import read_rating_file
from classifier.ratings import ConfidenceMap, ProbabilityMap
from classifier.review.split import TEST, TRAIN
from classifier.versions.activation import register
from tests.factories import make_prediction, make_verdict
from tests.training.calibration.test_calibrating import frame
from tests.training.verdicts.sentences import LABELS, texts_of
from training.verdicts.calibration import LEAST_VERDICTS, verdict_rows

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def var_dir(settings: Any, tmp_path: Path, tiny_model_dir: Path) -> Path:
    settings.MODELS_DIR = tmp_path / "models"
    settings.RUNS_DIR = tmp_path / "runs"
    settings.DATASETS_DIR = tmp_path
    settings.CLASSIFIER_MODEL = str(tiny_model_dir)
    return tmp_path


def review(count: int, *, split: str = TRAIN, **values: Any) -> None:
    """So many verdicts, half of each label, each fifth against what its text says."""
    for said, label in enumerate(LABELS):
        for number, text in enumerate(islice(texts_of(split, label), count // 2)):
            given = LABELS[1 - said] if number % 5 == 0 else label
            rating = {NEGATIVE: 1 + number % 4, POSITIVE: 7 + number % 4}[given]
            make_verdict(make_prediction(text), label=given, rating=rating, **values)


def calibrated(**options: Any) -> str:
    out = io.StringIO()
    call_command("calibrate", stdout=out, **options)
    return out.getvalue()


def test_verdicts_make_a_calibrated_candidate_and_the_old_model_stays(
    tiny_model_dir: Path, var_dir: Path
) -> None:
    review(80)
    review(20, split=TEST)
    revision = revision_of(tiny_model_dir)

    said = calibrated(name="better")

    model = var_dir / "models" / "better"
    assert revision_of(tiny_model_dir) == revision != revision_of(model)
    facts = json.loads((model / "metrics.json").read_text())
    assert facts["calibrated_from"] == f"{tiny_model_dir.name}@{revision}"
    assert facts["calibration"]["rows"] == 80  # and none of those that are frozen
    assert facts["calibration"]["temperature"] > 1
    assert facts["onnx"]["accepted"] is True
    assert (model / GRAPH).is_file()
    assert isinstance(read_rating_file(model).rating_map, ProbabilityMap)
    assert "## Calibration" in (model / "README.md").read_text()
    version = ModelVersion.objects.get(name="better")
    assert version.status == ModelVersion.Status.CANDIDATE
    assert "80 rows of reviewed (train), 80 of them with stars" in said
    error = next(line for line in said.splitlines() if line.startswith("rating: mean absolute"))
    before, after = map(float, error.split()[-2:])
    assert after < before
    assert "activate_model better" in said


def test_too_few_verdicts_are_refused_and_complaints_do_not_count() -> None:
    review(LEAST_VERDICTS - 2)
    review(200, split=TEST)
    for number in range(9):
        prediction = make_prediction(f"Complaint {number}.", text_sha256=f"{'f' * 63}{number}")
        make_verdict(prediction, chosen_by=Verdict.ChosenBy.DISAGREED)
    with pytest.raises(CommandError, match=r"50 or more.*there are 48"):
        calibrated(name="better")
    assert ModelVersion.objects.filter(name="better").count() == 0


def test_the_rows_of_verdicts_have_their_labels_and_ratings() -> None:
    review(60)
    rows = verdict_rows()
    verdicts = Verdict.objects.order_by("pk")
    assert rows.frame["star_low"].tolist() == rows.frame["star_high"].tolist()
    assert rows.frame["star_low"].tolist() == [one.rating for one in verdicts]
    assert [rows.labels[label] for label in rows.frame["label"]] == [one.label for one in verdicts]


def test_a_data_set_calibrates_any_version_and_its_measures_are_kept_as_far_as_they_hold(
    tiny_model_dir: Path, var_dir: Path
) -> None:
    rows = frame(300)
    rows["text"] = rows["text"].str.split().str[:20].str.join(" ")  # of one window each
    rows.assign(stars=rows["star_low"])[["text", "label", "stars"]].to_csv(
        var_dir / "validation.csv", index=False
    )
    calibrated(dataset=str(var_dir), name="mine", rating="none")
    version = register("mine")
    named = directory_of(version)
    content = json.loads((named / "metrics.json").read_text())
    measured = {"test_accuracy": 0.9, "test_calibration_error": 0.2, "test_rating_mae": 2.0}
    content["metrics"] = measured
    (named / "metrics.json").write_text(json.dumps(content))
    assert isinstance(read_rating_file(named).rating_map, ConfidenceMap)

    said = calibrated(model=str(version), dataset=str(var_dir), interval=0.6)

    made = var_dir / "models" / "mine-calibrated"
    facts = json.loads((made / "metrics.json").read_text())
    assert facts["metrics"] == {"test_accuracy": 0.9}
    assert facts["calibrated_from"] == str(version)
    assert "300 rows of" in said
    assert 0.5 < facts["calibration"]["validation"]["after"]["rating_coverage"] < 0.7
    assert (made / "README.md").read_text().count("## Calibration") == 1
    assert json.loads((made / RATING).read_text())["fitted"]["split"] == "validation"


def test_other_sections_of_an_old_card_stay(tiny_model_dir: Path, var_dir: Path) -> None:
    review(60)
    calibrated(name="one")
    card = var_dir / "models" / "one" / "README.md"
    card.write_text(f"# one\n\nBy me.\n\n{card.read_text().split('# one')[-1]}## Limits\n\nMany.\n")
    calibrated(model="one", name="two")
    text = (var_dir / "models" / "two" / "README.md").read_text()
    assert text.count("## Calibration") == 1
    assert text.index("By me.") < text.index("## Calibration") < text.index("## Limits\n\nMany.")


def test_a_model_that_learnt_from_verdicts_is_not_calibrated_on_them(
    tiny_model_dir: Path, var_dir: Path
) -> None:
    review(60)
    calibrated(name="one")
    record = var_dir / "models" / "one" / "metrics.json"
    facts = json.loads(record.read_text()) | {"config": {"data": {"dataset": "reviewed"}}}
    record.write_text(json.dumps(facts))
    with pytest.raises(CommandError, match="one was trained on verdicts"):
        calibrated(model="one", name="two")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "starter"}, "none of starter"),
        ({"name": "no/name"}, "no/name"),
        ({"model": "nowhere"}, "no model 'nowhere'"),
        ({"interval": 1.0}, "--interval must lie"),
        ({"dataset": "nowhere.csv"}, r"nowhere\.csv"),
    ],
)
def test_what_cannot_be_calibrated_says_why_and_leaves_nothing(
    var_dir: Path, options: dict[str, Any], message: str
) -> None:
    review(60)
    with pytest.raises(CommandError, match=message):
        calibrated(**{"name": "better", **options})
    assert not list((var_dir / "models").glob("*"))


def test_one_label_is_refused(tiny_model_dir: Path) -> None:
    for text in islice(texts_of(TRAIN, POSITIVE), 60):
        make_verdict(make_prediction(text), label=POSITIVE, rating=9)
    with pytest.raises(CommandError, match="5 rows or more of two labels"):
        calibrated(name="better")
