"""Verdicts as a data set of the Hub, with the real huggingface_hub and the real datasets."""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest
import yaml
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from classifier.models import AuditEntry, Prediction, Verdict, text_digest
from classifier.review.exporting import COLUMNS
from classifier.review.split import TEST, TRAIN, split_of
from classifier.review.verdicts import content_of
from tests.factories import make_prediction, make_verdict
from tests.hub_stand_in import TOKEN, Fault, FaultKind, StandInHub
from training.hub import Hub, HubError, push_dataset
from training.verdicts.exchange import write_dataset

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]

REPO = "someone/verdicts"
PATH = f"datasets/{REPO}"
TRAINING, TESTING = (f"data/{split}-00000-of-00001.parquet" for split in (TRAIN, TEST))
NASTY = ['She said "no";\tand left.', "=1+1", "two\nlines\r\nand\u2028more", "Дивный вечер 🎬"]
REQUESTS = 12  # of a push into a repository that is not there yet


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


@pytest.fixture
def verdicts(ann: User) -> list[Verdict]:
    """Some for either split, each of another kind; the last one's text is purged."""
    texts = [*NASTY, *(f"film {number}" for number in range(16)), "gone"]
    given = [
        make_verdict(
            make_prediction(text),
            label="NEGATIVE" if number % 3 else "POSITIVE",
            rating=number % 10 + 1,
            note=text[::-1].strip() if number % 2 else "",
            reviewer=ann if number % 2 else None,
            chosen_by="random" if number % 4 else "disagreed",
        )
        for number, text in enumerate(texts)
    ]
    for number, verdict in enumerate(given):
        then = datetime(2026, 1, 1 + number, 12, 30, 15, 123456, tzinfo=UTC)
        Verdict.objects.filter(pk=verdict.pk).update(reviewed_at=then)
    Prediction.objects.filter(text="gone").purge_texts(before=timezone.now())
    return given


def run(command: str, *arguments: str) -> str:
    output = StringIO()
    call_command(command, *arguments, stdout=output, stderr=output, no_color=True)
    return output.getvalue()


def kept() -> list[dict[str, Any]]:
    """Every verdict whose text is there, without its own key."""
    names = ("prediction_id", "label", "rating", "note", "reviewer_id", "chosen_by", "reviewed_at")
    return list(Verdict.objects.with_text().order_by("prediction_id").values(*names))


def table(stand_in: StandInHub, name: str, folder: Path) -> Any:
    file = folder / "pushed.parquet"
    file.write_bytes(stand_in.files(PATH)[name])
    return parquet.read_table(file)


def test_verdicts_are_pushed_by_split_in_one_private_commit(
    stand_in: StandInHub, verdicts: list[Verdict], tmp_path: Path
) -> None:
    said = run("push_verdicts", REPO)

    repository = stand_in.repositories[PATH]
    assert (repository.kind, repository.private, repository.pushes) == ("datasets", True, 1)
    assert sorted(stand_in.files(PATH)) == ["README.md", TESTING, TRAINING]
    pushed: dict[str, Any] = {}
    for split, name in ((TRAIN, TRAINING), (TEST, TESTING)):
        rows = table(stand_in, name, tmp_path).to_pylist()
        assert {split_of(row["text_sha256"]) for row in rows} == {split}
        pushed |= {row["text"]: (row["label"], row["rating"], row["note"]) for row in rows}
    assert pushed == {
        verdict.prediction.text: (verdict.label, verdict.rating, verdict.note)
        for verdict in Verdict.objects.with_text().select_related("prediction")
    }
    splits = Counter(split_of(row["text_sha256"]) for row in _texts())
    assert said.splitlines()[0] == (
        f"{splits[TRAIN]} rows (train) and {splits[TEST]} rows (test) go to "
        f"{stand_in.url}/{PATH} (private). They contain visitors' texts and reviewers' notes, not "
        "the reviewers' names; 1 verdicts whose text is purged stay here."
    )
    assert f"{stand_in.url}/{PATH} (private) holds them, verified" in said
    assert "holds them" not in run("push_verdicts", REPO)  # it held already
    assert repository.pushes == 1


def _texts() -> list[dict[str, str]]:
    found = Prediction.objects.reviewed().exclude(text="")
    return [{"text": each.text, "text_sha256": each.text_sha256} for each in found]


def test_names_of_reviewers_leave_only_if_told(
    stand_in: StandInHub, verdicts: list[Verdict], tmp_path: Path
) -> None:
    run("push_verdicts", REPO)
    assert "reviewer" not in table(stand_in, TRAINING, tmp_path).column_names
    assert b"ann" not in table(stand_in, TRAINING, tmp_path).to_pandas().to_csv().encode()
    assert "`reviewer`" not in stand_in.files(PATH)["README.md"].decode()

    said = run("push_verdicts", REPO, "--with-reviewers")

    assert "and the reviewers' names" in said
    assert tuple(table(stand_in, TRAINING, tmp_path).column_names) == COLUMNS
    assert "ann" in table(stand_in, TRAINING, tmp_path)["reviewer"].to_pylist()
    assert "`reviewer`" in stand_in.files(PATH)["README.md"].decode()


def test_the_card_says_what_is_in_it(stand_in: StandInHub, verdicts: list[Verdict]) -> None:
    run("push_verdicts", REPO, "--language", "en")

    _, front, text = stand_in.files(PATH)["README.md"].decode().split("---\n", 2)
    assert yaml.safe_load(front) == {
        "pretty_name": "Reviewed predictions",
        "language": ["en"],
        "task_categories": ["text-classification"],
        "task_ids": ["sentiment-classification"],
        "size_categories": ["n<1K"],
        "tags": ["reviewsite"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": "train", "path": "data/train-*.parquet"},
                    {"split": "test", "path": "data/test-*.parquet"},
                ],
            }
        ],
    }
    found = Verdict.objects.with_text().values_list("prediction__text_sha256", "label")
    counts = Counter((split_of(digest), label) for digest, label in found)
    for split in (TRAIN, TEST):
        negative, positive = counts[split, "NEGATIVE"], counts[split, "POSITIVE"]
        assert f"| {split} | {negative} | {positive} | {negative + positive} |" in text
    assert all(f"| `{name}` | " in text for name in COLUMNS if name != "reviewer")


def test_those_of_a_time_are_pushed_alone(
    stand_in: StandInHub, verdicts: list[Verdict], tmp_path: Path
) -> None:
    run("push_verdicts", REPO, "--since", "2026-01-10")

    rows = [
        row for name in (TRAINING, TESTING) for row in table(stand_in, name, tmp_path).to_pylist()
    ]
    assert len(rows) == 11
    assert min(row["reviewed_at"] for row in rows) > "2026-01-10"


def test_from_the_hub_come_the_verdicts_that_went_there(
    stand_in: StandInHub, verdicts: list[Verdict], ann: User
) -> None:
    run("push_verdicts", REPO, "--with-reviewers")
    before = kept()
    Verdict.objects.all().delete()

    said = run("pull_verdicts", REPO)

    assert kept() == before
    assert [line for line in said.splitlines() if line.endswith(":")] == [
        "test-00000-of-00001.parquet:",
        "train-00000-of-00001.parquet:",
    ]
    assert "0 verdicts given" in run("pull_verdicts", f"{REPO}@main")
    commit = stand_in.repositories[PATH].commits[-1][0]
    assert "0 verdicts given" in run("pull_verdicts", f"{REPO}@{commit}", "--reviewer", "ann")


def test_another_site_rates_the_texts_and_takes_the_verdicts(
    stand_in: StandInHub, verdicts: list[Verdict], served_model: Path, ann: User
) -> None:
    run("push_verdicts", REPO)
    before = {row["text"]: row for row in _said()}
    Prediction.objects.all().delete()
    AuditEntry.objects.all().delete()

    run("pull_verdicts", REPO, "--reviewer", "ann")

    assert {row["text"]: row for row in _said()} == before
    assert set(Verdict.objects.values_list("reviewer__username", flat=True)) == {"ann"}


def _said() -> list[dict[str, Any]]:
    return [
        {
            "text": verdict.prediction.text,
            "chosen_by": verdict.chosen_by,
            "reviewed_at": verdict.reviewed_at,
            **content_of(verdict),
        }
        for verdict in Verdict.objects.with_text().select_related("prediction")
    ]


READER = """
import json
from datasets import load_dataset
found = load_dataset({repo!r})
print(json.dumps({{split: rows.to_list() for split, rows in found.items()}}))
"""


def test_datasets_loads_both_splits_by_name_alone(
    stand_in: StandInHub, verdicts: list[Verdict], tmp_path: Path
) -> None:
    run("push_verdicts", REPO)
    read = subprocess.run(
        [sys.executable, "-c", READER.format(repo=REPO)],
        env={
            **{key: value for key, value in os.environ.items() if key != "HF_HUB_OFFLINE"},
            "HF_HOME": str(tmp_path / "hf"),
        },
        text=True,
        capture_output=True,
        timeout=120,
    )
    assert read.returncode == 0, read.stderr
    found = json.loads(read.stdout.splitlines()[-1])
    assert list(found) == [TRAIN, TEST]
    texts = {split: {row["text"] for row in rows} for split, rows in found.items()}
    assert texts == {
        split: {row["text"] for row in _texts() if split_of(row["text_sha256"]) == split}
        for split in (TRAIN, TEST)
    }


# What is refused


def test_without_a_verdict_for_each_split_nothing_is_asked(stand_in: StandInHub) -> None:
    with pytest.raises(CommandError, match="no verdict with a text"):
        run("push_verdicts", REPO)
    text = next(text for text in map(str, range(99)) if split_of(text_digest(text)) == TRAIN)
    make_verdict(make_prediction(text))
    with pytest.raises(CommandError, match="Found: none for test"):
        run("push_verdicts", REPO)
    assert not stand_in.asked


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--since", "yesterday"], "--since is a date or a time"),
        (["--since", "2026-02-31"], "--since is a date or a time"),
        (["--language", "English"], "a code of ISO 639"),
    ],
)
def test_bad_options_are_refused(
    stand_in: StandInHub, verdicts: list[Verdict], options: list[str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run("push_verdicts", REPO, *options)
    with pytest.raises(CommandError, match="A repository is user/name"):
        run("push_verdicts", "verdicts")
    assert not stand_in.asked


def test_a_public_repository_is_refused_unless_told(
    stand_in: StandInHub, verdicts: list[Verdict]
) -> None:
    stand_in.put(REPO, {}, kind="datasets")
    with pytest.raises(CommandError, match="is public"):
        run("push_verdicts", REPO)
    assert stand_in.repositories[PATH].pushes == 1
    assert "(public) holds them" in run("push_verdicts", REPO, "--public")


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"train.csv": b"a"}, r"holds train\.csv\."),
        ({"data/train-0.parquet": b"x"}, "did not come from Reviewsite"),
        ({"README.md": b"---\ntags: [mine]\n---\n"}, "did not come from Reviewsite"),
    ],
)
def test_what_did_not_come_from_here_is_replaced_only_if_told(
    stand_in: StandInHub, verdicts: list[Verdict], held: dict[str, bytes], message: str
) -> None:
    stand_in.put(REPO, held, kind="datasets", private=True)
    with pytest.raises(CommandError, match=message):
        run("push_verdicts", REPO)
    assert stand_in.files(PATH) == held

    run("push_verdicts", REPO, "--replace")

    assert sorted(stand_in.files(PATH)) == ["README.md", TESTING, TRAINING]


def test_a_model_of_the_same_name_is_another_repository(
    stand_in: StandInHub, verdicts: list[Verdict]
) -> None:
    stand_in.put(REPO, {"config.json": b"{}"})

    run("push_verdicts", REPO)

    assert stand_in.files(REPO) == {"config.json": b"{}"}
    with pytest.raises(CommandError, match="404"):
        run("pull_verdicts", "someone/else")


def test_without_a_token_nothing_is_asked(
    stand_in: StandInHub, verdicts: list[Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(CommandError, match=r"HF_TOKEN is not set.*nothing has left this site"):
        run("push_verdicts", REPO)
    assert not stand_in.asked


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"train.csv": b"text,label\n"}, r"has files data/\*\.parquet, but .* holds .*train\.csv"),
        ({"data/train-0.parquet": b"PAR1 and no more"}, "A Parquet file must be whole"),
        ({"data/a-0.parquet": b"x" * 2000}, "may have 1,000 bytes at most"),
        ({"../data/a.parquet": b"x"}, "files lie inside it"),
    ],
)
def test_what_are_no_verdicts_is_not_imported(
    stand_in: StandInHub, settings: Any, held: dict[str, bytes], message: str
) -> None:
    settings.BULK_MAX_BYTES = 1000
    stand_in.put(REPO, held, kind="datasets")
    with pytest.raises(CommandError, match=message):
        run("pull_verdicts", REPO)
    assert not list(settings.VAR_DIR.glob("tmp/verdicts-*"))


# Faults on the way


def dataset(folder: Path) -> dict[str, Path]:
    folder.mkdir()
    return dict(write_dataset(Verdict.objects.all(), folder).files)


@pytest.mark.parametrize("at", range(REQUESTS))
@pytest.mark.parametrize(("kind", "status"), [("status", 503), ("reset", 0), ("lost", 0)])
def test_what_passes_at_any_request_ends_in_exactly_one_commit(
    stand_in: StandInHub,
    hub: Hub,
    verdicts: list[Verdict],
    tmp_path: Path,
    kind: FaultKind,
    status: int,
    at: int,
) -> None:
    files = dataset(tmp_path / "data set")
    stand_in.reset(Fault(at, kind, status))

    pushed = push_dataset(files, REPO, hub=hub)

    assert len(stand_in.asked) >= REQUESTS
    assert stand_in.repositories[PATH].pushes == 1
    assert stand_in.files(PATH) == {name: path.read_bytes() for name, path in files.items()}
    assert pushed.commit == stand_in.repositories[PATH].commits[-1][0]


@pytest.mark.parametrize("at", range(REQUESTS))
def test_a_refusal_leaves_nothing_half_done_and_shows_no_token(
    stand_in: StandInHub, hub: Hub, verdicts: list[Verdict], tmp_path: Path, at: int
) -> None:
    files = dataset(tmp_path / "data set")
    stand_in.reset(Fault(at, "status", 403, always=True))

    with pytest.raises(HubError, match="403") as raised:
        push_dataset(files, REPO, hub=hub)

    assert TOKEN not in str(raised.value)
    repository = stand_in.repositories.get(PATH)
    # Only the last request, the verification, comes after the commit.
    assert (repository.pushes if repository else 0) == (at == REQUESTS - 1)
