"""Verdicts as a data set: which rows are frozen, which are replayed, and whence each came."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pytest_django import Settings

from classifier.labels import NEGATIVE, POSITIVE
from classifier.models import Verdict, text_digest
from classifier.review.split import FROZEN, TEST, TRAIN, learnable, split_of
from tests.factories import make_prediction, make_verdict
from tests.training.verdicts.sentences import LABELS, review, texts_of
from training.config import ConfigError, FinetuningConfig, with_overrides
from training.data.provenance import provenance_of, recorded
from training.data.reading import DataError
from training.data.splits import load_splits
from training.exceptions import InvalidRun
from training.verdicts import reviewed
from training.verdicts.mixing import COLUMNS
from training.verdicts.reviewed import learnable_count, require_enough_reviewed, with_reviewed

pytestmark = pytest.mark.django_db

SPLITS = (TRAIN, TEST)
OLD = [f"an old film of the {number}th evening" for number in range(200)]


@pytest.fixture(autouse=True)
def datasets_dir(settings: Settings, tmp_path: Path) -> Path:
    """Where the data set `old` has a train and a test split."""
    settings.DATASETS_DIR = tmp_path / "datasets"
    write_old(settings.DATASETS_DIR, OLD)
    return Path(settings.DATASETS_DIR)


def write_old(directory: Path, texts: list[str]) -> None:
    labels = ["pos" if number % 2 else "neg" for number in range(len(texts))]
    (directory / "old").mkdir(parents=True, exist_ok=True)
    for split in ("train", "test"):
        frame = pd.DataFrame({"text": texts, "label": labels})
        frame.to_csv(directory / "old" / f"{split}.csv", index=False)


def config(**values: Any) -> FinetuningConfig:
    return FinetuningConfig.from_sections(with_overrides({}, {"dataset": "reviewed"} | values))


def mixed(run_dir: Path, **values: Any) -> dict[str, pd.DataFrame]:
    """The rows of a run that begins now, by split."""
    data = with_reviewed(config(**values), run_dir).data
    assert data.dataset == str(run_dir / "reviewed")
    return {split: pd.read_parquet(run_dir / "reviewed" / f"{split}.parquet") for split in SPLITS}


def texts(frame: pd.DataFrame, source: str = "verdict") -> set[str]:
    return set(frame["text"][frame["source"] == source])


def test_the_database_freezes_the_same_texts_as_the_rule() -> None:
    for digest in ("00000000", "33333333", "33333334", "a0000000", "ffffffff"):
        make_verdict(make_prediction(digest, text_sha256=digest + "f" * 56))
    review(train=3, test=3)
    make_verdict(make_prediction("", text_sha256="e" * 64))  # purged

    frozen = set(Verdict.objects.filter(FROZEN))

    every = set(Verdict.objects.select_related("prediction"))
    assert frozen == {one for one in every if split_of(one.prediction.text_sha256) == TEST}
    assert len(frozen) == 8
    assert set(learnable()) == {one for one in every - frozen if one.prediction.text}
    assert learnable_count() == 9


def test_frozen_verdicts_are_the_test_split_and_the_others_are_trained_on(tmp_path: Path) -> None:
    verdicts = review(train=12, test=3)

    rows = mixed(tmp_path / "run")

    for split in SPLITS:
        assert list(rows[split]) == list(COLUMNS)
        assert rows[split]["text"].tolist() == [one.prediction.text for one in verdicts[split]]
        assert rows[split]["label"].tolist() == [one.label for one in verdicts[split]]


def test_every_row_says_where_it_comes_from(tmp_path: Path) -> None:
    verdicts = review()

    rows = mixed(tmp_path / "run", replay_dataset="old")

    first = verdicts[TEST][0]
    assert rows[TEST].iloc[0].to_dict() == {
        "text": first.prediction.text,
        "label": NEGATIVE,
        "rating": 2,
        "star_low": 2,
        "star_high": 2,
        "source": "verdict",
        "source_row": str(first.prediction.pk),
        "text_sha256": first.prediction.text_sha256,
        "chosen_by": "reviewer",
        "reviewed_at": first.reviewed_at.isoformat(),
        "model": "tiny@0123456789ab",
    }
    replayed = rows[TRAIN][rows[TRAIN]["source"] == "replay"]
    for row in replayed.to_dict("records"):
        assert row["text"] == OLD[int(row["source_row"])]
        assert row["label"] == (POSITIVE if int(row["source_row"]) % 2 else NEGATIVE)
        assert row["text_sha256"] == text_digest(row["text"])
        assert (row["chosen_by"], row["reviewed_at"], row["model"]) == ("", "", "")
    assert replayed["rating"].isna().all()


def test_stars_are_the_ratings_of_verdicts_and_those_of_the_old_data(
    tmp_path: Path, datasets_dir: Path
) -> None:
    review()
    frame = pd.DataFrame(
        {"text": OLD, "label": ["neg", "pos"] * 100, "points": [4] * (len(OLD) - 1) + [1]}
    )
    frame.to_csv(datasets_dir / "old" / "train.csv", index=False)

    rows = mixed(tmp_path / "run", replay_dataset="old", stars_column="points")[TRAIN]

    of_verdicts = rows[rows["source"] == "verdict"]
    assert of_verdicts["star_low"].tolist() == of_verdicts["rating"].tolist()
    replayed = rows[(rows["source"] == "replay") & (rows["text"] != OLD[-1])]
    assert set(zip(replayed["star_low"], replayed["star_high"], strict=True)) == {(7, 8)}
    data = with_reviewed(
        config(replay_dataset="old", stars_column="points"), tmp_path / "other"
    ).data
    train = load_splits(data, datasets_dir=datasets_dir, seed=0).train
    assert train[["star_low", "star_high"]].to_numpy().min() > 0


@pytest.mark.parametrize(("per_verdict", "count"), [(1.0, 20), (2.5, 50), (0.01, 1), (99.0, 200)])
def test_the_proportion_is_kept_as_far_as_there_are_rows(
    tmp_path: Path, per_verdict: float, count: int
) -> None:
    review()
    rows = mixed(tmp_path / "run", replay_dataset="old", replay_per_verdict=per_verdict)
    assert rows[TRAIN]["source"].value_counts().to_dict() == {"verdict": 20, "replay": count}
    assert set(rows[TEST]["source"]) == {"verdict"}


def test_the_seed_decides_what_is_replayed(tmp_path: Path) -> None:
    review()
    first, again, other = (
        texts(mixed(tmp_path / name, replay_dataset="old", seed=seed)[TRAIN], "replay")
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again != other


def loud(text: str) -> str:
    """The same text to whoever looks past case and white space."""
    return "  ".join(text.upper().split())


def test_no_frozen_text_is_trained_on_in_any_spelling(tmp_path: Path, datasets_dir: Path) -> None:
    review()
    frozen = next(
        text
        for text in texts_of(TEST, POSITIVE, seed=1)
        if split_of(text_digest(loud(text))) == TRAIN
    )
    make_verdict(make_prediction(frozen), label=POSITIVE, rating=9)
    make_verdict(make_prediction(loud(frozen)), label=NEGATIVE, rating=1)
    write_old(datasets_dir, [*OLD[:30], frozen, loud(frozen), frozen.title()])

    rows = mixed(tmp_path / "run", replay_dataset="old", replay_per_verdict=9.0)

    assert frozen in texts(rows[TEST])
    assert loud(frozen) not in set(map(loud, rows[TRAIN]["text"]))
    assert texts(rows[TRAIN], "replay") == set(OLD[:30])
    known = recorded(str(tmp_path / "run" / "reviewed"))
    assert known
    assert known["left_out"] == {
        "verdict": {"frozen": 1},
        "replay": {"frozen": 3, "reviewed": 0},
    }


def test_a_verdict_wins_over_what_the_old_data_said(tmp_path: Path, datasets_dir: Path) -> None:
    verdict = review()[TRAIN][0]
    write_old(datasets_dir, [*OLD[:5], loud(verdict.prediction.text)])

    rows = mixed(tmp_path / "run", replay_dataset="old")

    assert texts(rows[TRAIN], "replay") == set(OLD[:5])
    known = recorded(str(tmp_path / "run" / "reviewed"))
    assert known
    assert known["left_out"]["replay"] == {"frozen": 0, "reviewed": 1}


def test_what_the_old_model_was_tested_on_is_not_replayed(
    tmp_path: Path, datasets_dir: Path
) -> None:
    """A single file has no test split: a run carves one off."""
    review()
    frame = pd.DataFrame({"text": OLD, "label": [number % 2 for number in range(len(OLD))]})
    frame.to_csv(datasets_dir / "single.csv", index=False)
    single = config(dataset="single").data
    tested = load_splits(single, datasets_dir=datasets_dir, seed=0).test["text"]

    rows = mixed(tmp_path / "run", replay_dataset="single", replay_per_verdict=99.0)

    assert len(tested) > 5
    assert texts(rows[TRAIN], "replay") == set(OLD) - set(tested)


def test_columns_and_labels_are_those_of_the_old_data(tmp_path: Path, datasets_dir: Path) -> None:
    review()
    frame = pd.DataFrame({"body": OLD, "mood": [number % 2 for number in range(len(OLD))]})
    frame.to_csv(datasets_dir / "old" / "train.csv", index=False)
    given = {"text_column": "body", "label_column": "mood", "label_names": "negative,positive"}

    data = with_reviewed(config(replay_dataset="old", **given), tmp_path / "run").data
    splits = load_splits(data, datasets_dir=datasets_dir, seed=0)

    assert splits.labels == (NEGATIVE, POSITIVE)
    assert data.replay_dataset == "old"  # stays told
    provenance = provenance_of(splits, data.dataset)
    assert provenance
    assert provenance["rows"]["test"] == {"verdict": 2, "replay": 0}
    counted = [provenance["rows"][split] for split in ("train", "validation")]
    assert sum(rows["verdict"] for rows in counted) == sum(rows["replay"] for rows in counted) == 20
    assert provenance["replay"] | given == provenance["replay"]
    assert "datasets" not in json.dumps(provenance)  # no path of this machine


@pytest.mark.parametrize(
    ("values", "error", "said"),
    [
        ({"replay_dataset": "moods"}, ConfigError, "of moods are anger, joy"),
        ({"replay_dataset": "moods", "label_names": "anger,joy"}, ConfigError, "anger, joy"),
        ({"replay_dataset": "old", "text_column": "body"}, DataError, "body is not among"),
        ({"replay_dataset": "nowhere/there"}, DataError, "'nowhere/there' is none"),
    ],
)
def test_old_data_that_cannot_be_mixed_are_refused_and_nothing_is_written(
    tmp_path: Path, datasets_dir: Path, values: dict[str, Any], error: type[Exception], said: str
) -> None:
    review()
    frame = pd.DataFrame({"text": OLD, "label": ["joy", "anger"] * 100})
    frame.to_csv(datasets_dir / "moods.csv", index=False)
    with pytest.raises(error, match=said):
        with_reviewed(config(**values), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_replay_needs_verdicts_to_be_mixed_with(tmp_path: Path) -> None:
    """The name alone does not make a folder one of ours."""
    given = config(dataset=str(tmp_path / "reviewed"), replay_dataset="old")
    with pytest.raises(ConfigError, match="mixed with dataset=reviewed alone"):
        with_reviewed(given, tmp_path / "run")


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ((TRAIN, NEGATIVE), "9 NEGATIVE and 10 POSITIVE to train on, .*too few: NEGATIVE to train"),
        ((TRAIN, POSITIVE), "too few: POSITIVE to train on"),
        ((TEST, NEGATIVE), "0 NEGATIVE and 1 POSITIVE to test on; too few: NEGATIVE to test on"),
        ((TEST, POSITIVE), "too few: POSITIVE to test on"),
    ],
)
def test_what_is_short_is_named(tmp_path: Path, missing: tuple[str, str], said: str) -> None:
    split, label = missing
    gone = next(one for one in review()[split] if one.label == label)
    require_enough_reviewed()
    gone.delete()
    with pytest.raises(InvalidRun, match=said) as caught:
        require_enough_reviewed()
    assert caught.value.remedy.startswith("Review more")
    with pytest.raises(InvalidRun, match=said):
        with_reviewed(config(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_verdicts_that_are_left_out_do_not_count(tmp_path: Path) -> None:
    gone = next(one for one in review()[TRAIN] if one.label == POSITIVE)
    gone.delete()
    frozen = next(
        text
        for text in texts_of(TEST, POSITIVE, seed=1)
        if split_of(text_digest(loud(text))) == TRAIN
    )
    for text in (frozen, loud(frozen)):
        make_verdict(make_prediction(text), label=POSITIVE, rating=9)
    require_enough_reviewed()
    with pytest.raises(InvalidRun, match="and 9 POSITIVE to train on"):
        with_reviewed(config(), tmp_path / "run")


def test_a_run_that_goes_on_reads_the_rows_it_began_with(tmp_path: Path) -> None:
    review()
    before = mixed(tmp_path / "run", replay_dataset="old")
    (tmp_path / "run" / "config.json").touch()
    review(seed=1)

    after = mixed(tmp_path / "run", replay_dataset="old")

    assert all(after[split].equals(before[split]) for split in SPLITS)
    assert len(mixed(tmp_path / "other", replay_dataset="old")[TRAIN]) == 80


def test_a_run_that_goes_on_with_other_parameters_is_refused(tmp_path: Path) -> None:
    review()
    mixed(tmp_path / "run", replay_dataset="old")
    (tmp_path / "run" / "config.json").touch()
    for values in ({}, {"replay_dataset": "old", "replay_per_verdict": 2.0}):
        with pytest.raises(ConfigError, match="rows that it began with"):
            with_reviewed(config(**values), tmp_path / "run")


def test_a_run_that_did_not_begin_takes_the_verdicts_of_now(tmp_path: Path) -> None:
    review()
    assert len(mixed(tmp_path / "run")[TRAIN]) == 20
    review(seed=1)
    assert len(mixed(tmp_path / "run")[TRAIN]) == 40


def test_a_cut_leaves_no_half_of_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def power_cut(*args: Any) -> None:
        raise KeyboardInterrupt

    review()
    with monkeypatch.context() as patch:
        patch.setattr(reviewed, "write_json", power_cut)
        with pytest.raises(KeyboardInterrupt):
            with_reviewed(config(), tmp_path / "run")
    assert not (tmp_path / "run" / "reviewed").exists()
    assert len(mixed(tmp_path / "run")[TRAIN]) == 20


def test_another_data_set_is_left_as_it_is(tmp_path: Path) -> None:
    given = config(dataset="old")
    assert with_reviewed(given, tmp_path / "run") is given


def test_texts_that_were_purged_are_gone(tmp_path: Path) -> None:
    review(train=11)
    for text in islice(texts_of(TRAIN, LABELS[0]), 1):
        purged = Verdict.objects.get(prediction__text=text)
    purged.prediction.text = ""
    purged.prediction.save()
    assert len(mixed(tmp_path / "run")[TRAIN]) == 21
