"""manage.py pseudo_label, with tiny real models and the linear one."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings
from scipy.special import logit

from tests import tiny
from tests.site import ROOT
from training.data.pseudo_rows import read_pseudo_rows
from training.ensemble.parts import TEXTS
from training.management.commands.pseudo_label import member_weights

LABELS = ("NEGATIVE", "POSITIVE")
BY_STARS = {1: "awful", 2: "bad", 4: "cold", 7: "good", 8: "warm", 10: "joy"}


def write_data(directory: Path, *, unlabelled: int = 40) -> Path:
    """Sentences whose words tell their stars, of three splits, and some without a label."""
    directory.mkdir(parents=True)
    rng = random.Random(0)
    for split, count in (("train", 240), ("validation", 60), ("test", 20), ("unsup", unlabelled)):
        stars = [rng.choice(list(BY_STARS)) for _ in range(count)]
        texts = [
            tiny.sentence(int(star > 5), rng, 8) + f" {BY_STARS[star]} {BY_STARS[star]}"
            for star in stars
        ]
        frame = pd.DataFrame(
            {"text": texts, "label": [int(star > 5) for star in stars], "stars": stars}
        )
        if split == "unsup":
            frame = frame.assign(label=-1, stars=0)
        frame.to_csv(directory / f"{split}.csv", index=False)
    return directory


@pytest.fixture(scope="module")
def models(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: two of sentiments, one of other labels."""
    directory = tmp_path_factory.mktemp("site-models")
    shutil.copytree(tiny_model_dir, directory / "one")
    tiny.write_classifier(directory / "two", seed=1)
    tiny.write_classifier(directory / "mood", labels=("sad", "glad"))
    return directory


@pytest.fixture
def site_dir(models: Path, settings: Settings, tmp_path: Path) -> Path:
    settings.MODELS_DIR = models
    settings.PSEUDO_DIR = tmp_path / "pseudo"
    settings.DATASETS_DIR = tmp_path / "datasets"
    write_data(tmp_path / "datasets" / "reviews")
    return tmp_path


def run(*arguments: str) -> str:
    output = StringIO()
    given = ["--name", "mine", "--dataset", "reviews", "--split", "unsup", *arguments]
    call_command("pseudo_label", *given, stdout=output, no_color=True)
    return output.getvalue()


def facts(site_dir: Path) -> dict[str, Any]:
    file = site_dir / "pseudo" / "mine" / "facts.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))


def test_an_ensemble_labels_texts_and_says_how_good_it_is(site_dir: Path) -> None:
    said = run("--models", "one,two", "--linear", "--weights", "auto")
    place = site_dir / "pseudo" / "mine"
    rows = read_pseudo_rows(place, LABELS)
    raw = pd.read_csv(site_dir / "datasets" / "reviews" / "unsup.csv")
    assert rows["text"].tolist() == raw["text"].tolist()
    told = [any(word in text.split() for word in tiny.POSITIVE_WORDS) for text in rows["text"]]
    assert ((rows["soft_labels"].str[1] > 0.5) == told).mean() > 0.9
    stars = np.array(rows["soft_stars"].tolist())
    expected = [max(BY_STARS, key=lambda star: text.count(BY_STARS[star])) for text in raw["text"]]
    assert stars.sum(axis=1) == pytest.approx(1)
    assert (stars.argmax(axis=1) + 1 == expected).mean() > 0.7
    assert "40 rows are in" in said
    for name in ("one", "two", "linear", "ensemble"):
        assert f"\n{name}" in said
    found = facts(site_dir)
    assert found["rows"] == 40
    assert [member["name"] for member in found["members"]] == ["one", "two", "linear"]
    assert all(len(member["revision"]) == 12 for member in found["members"])
    assert sum(member["weight"] for member in found["members"]) == pytest.approx(1)
    assert found["temperature"] > 0
    assert found["validation"]["rows"] == 60
    assert found["validation"]["log_loss"] <= 1e-3 + min(
        member["measures"]["log_loss"] for member in found["members"]
    )
    assert 0 <= found["agreement"] <= 1
    assert not (place / "parts").exists()
    assert str(site_dir) not in json.dumps(found)


def test_weights_and_temperature_are_applied(site_dir: Path) -> None:
    run("--models", "one,two", "--weights", "1,0")
    alone = read_pseudo_rows(site_dir / "pseudo" / "mine", LABELS)
    softer = ["--name", "soft", "--dataset", "reviews", "--split", "unsup", "--models", "one"]
    call_command("pseudo_label", *softer, "--temperature", "2", stdout=StringIO())
    soft = read_pseudo_rows(site_dir / "pseudo" / "soft", LABELS)
    before, after = (logit(rows["soft_labels"].str[1].to_numpy()) for rows in (alone, soft))
    assert after == pytest.approx(before / 2, abs=1e-2)


def test_training_rows_are_labelled_by_linear_models_that_did_not_see_them(site_dir: Path) -> None:
    arguments = ["--name", "own", "--dataset", "reviews", "--split", "train", "--linear"]
    call_command("pseudo_label", *arguments, stdout=StringIO())
    rows = read_pseudo_rows(site_dir / "pseudo" / "own", LABELS)
    read = json.loads((site_dir / "pseudo" / "own" / "facts.json").read_text())
    assert read["members"][0]["out_of_fold"] is True
    assert len(rows) + sum(read["left_out"].values()) == 240


def test_a_sample_is_as_large_as_was_asked(site_dir: Path) -> None:
    run("--linear", "--sample", "7")
    assert len(read_pseudo_rows(site_dir / "pseudo" / "mine", LABELS)) == 7


def test_a_name_is_taken_once_and_what_is_complete_is_left(site_dir: Path) -> None:
    run("--linear")
    file = site_dir / "pseudo" / "mine" / "train.parquet"
    written = file.stat().st_mtime_ns
    with pytest.raises(CommandError, match="must be new"):
        run("--linear")
    assert "All rows are in" in run("--linear", "--resume")
    assert file.stat().st_mtime_ns == written


def test_other_members_do_not_go_on_with_what_was_begun(
    site_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("training.ensemble.labelling._write_rows", stop)
        with pytest.raises(KeyboardInterrupt):
            run("--models", "one")
    with pytest.raises(CommandError, match=r"begun with others \(members\)"):
        run("--models", "two", "--resume")
    assert "40 rows are in" in run("--models", "one", "--resume")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "nowhere"], "no model 'nowhere'"),
        (["--models", "one,mood"], "mood has sad, glad"),
        (["--models", "one,one"], "one is taken"),
        ([], "one member at least"),
        (["--linear", "--split", "nosuch"], "'nosuch'"),
        (["--linear", "--split", "test"], "not for training"),
        (["--linear", "--name", "../x"], "letters, digits"),
        (["--linear", "--sample", "-1"], "--sample must be"),
        (["--linear", "--temperature", "0"], "above 0"),
        (["--models", "one", "--weights", "1,1"], "1 numbers"),
        (["--linear", "--recipe", "nosuch"], "'nosuch'"),
        (["--linear", "--dataset", "nowhere"], "'nowhere'"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(
    site_dir: Path, arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run(*arguments)
    assert not (site_dir / "pseudo").exists()


def test_the_data_have_a_name(site_dir: Path) -> None:
    with pytest.raises(CommandError, match="--dataset or --recipe"):
        call_command("pseudo_label", "--name", "mine", "--split", "unsup", "--linear")


def test_the_linear_models_share_is_taken_from_the_others() -> None:
    assert member_weights("equal", count=3, linear=True, linear_weight=0.5) == [0.25, 0.25, 0.5]
    assert member_weights("equal", count=2, linear=True, linear_weight=None) == [0.5, 0.5]
    assert member_weights("auto", count=2, linear=True, linear_weight=None) is None
    assert member_weights("3, 1", count=2, linear=False, linear_weight=None) == [3.0, 1.0]


@pytest.mark.parametrize(
    ("given", "linear", "share"),
    [
        ("auto", True, 0.5),
        ("equal", False, 0.5),
        ("equal", True, 1.5),
        ("1,1,1", True, None),
        ("0,0", True, None),
        ("-1,2", True, None),
        ("inf,1", True, None),
        ("nan,1", True, None),
        ("some", True, None),
    ],
)
def test_weights_that_fit_no_member_are_refused(
    given: str, linear: bool, share: float | None
) -> None:
    with pytest.raises(ValueError, match="weight"):
        member_weights(given, count=2, linear=linear, linear_weight=share)


def test_a_killed_run_goes_on_and_ends_as_an_undisturbed_one(site_dir: Path, models: Path) -> None:
    data = site_dir / "datasets"
    shutil.rmtree(data / "reviews")
    write_data(data / "reviews", unlabelled=6 * TEXTS)
    (site_dir / "models").symlink_to(models)
    environment = os.environ | {
        "VAR_DIR": str(site_dir),
        "DATASETS_DIR": str(data),
        "DJANGO_SETTINGS_MODULE": "reviewsite.settings",
    }

    def arguments(name: str) -> list[str]:
        return [
            *("pseudo_label", "--name", name, "--dataset", "reviews", "--split", "unsup"),
            *("--models", "one", "--linear"),
        ]

    parts = site_dir / "pseudo" / "killed" / "parts"
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), *arguments("killed")], env=environment
    )
    deadline = time.monotonic() + 300
    while len(list(parts.glob("texts-0-*.npz"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(list(parts.glob("texts-0-*.npz"))) < 6
    assert not (site_dir / "pseudo" / "killed" / "train.parquet").exists()

    call_command(*arguments("killed"), "--resume", stdout=StringIO())
    call_command(*arguments("whole"), stdout=StringIO())
    killed, whole = (
        pd.read_parquet(site_dir / "pseudo" / name / "train.parquet")
        for name in ("killed", "whole")
    )
    pd.testing.assert_frame_equal(killed, whole)
    assert len(whole) > 5 * TEXTS
