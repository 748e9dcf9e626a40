"""Verdicts that go out as files and come in again."""

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from classifier.bulk.errors import TableError
from classifier.models import AuditEntry, Prediction, Verdict, text_digest
from classifier.review.exporting import COLUMNS, export_verdicts
from classifier.review.importing import import_verdicts
from classifier.review.split import TEST, TRAIN, split_of
from tests.factories import make_prediction, make_verdict

pytestmark = pytest.mark.django_db

FORMATS = [".csv", ".tsv", ".jsonl", ".parquet"]
NASTY = [
    'She said "no", twice;\tand left.',
    "=1+1 is how it begins",
    "'=quoted",
    "two\nlines, and a third\r\nand\u2028more",
    "Дивный вечер 🎬",
    "-5",
    "@name",
]


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


def kept() -> list[dict[str, Any]]:
    """Every verdict, without its own key."""
    names = ("prediction_id", "label", "rating", "note", "reviewer_id", "chosen_by", "reviewed_at")
    return list(Verdict.objects.order_by("prediction_id").values(*names))


@pytest.mark.parametrize("suffix", FORMATS)
def test_what_is_exported_and_imported_again_is_what_it_was(
    suffix: str, ann: User, tmp_path: Path
) -> None:
    for number, text in enumerate(NASTY, 1):
        verdict = make_verdict(
            make_prediction(text),
            label="NEGATIVE",
            rating=number,
            note=text[::-1].strip(),
            reviewer=ann if number % 2 else None,
            chosen_by="random",
        )
        then = datetime(2026, 1, number, 12, 30, 15, 123456, tzinfo=UTC)
        Verdict.objects.filter(pk=verdict.pk).update(reviewed_at=then)
    purged = make_verdict(make_prediction("gone"), rating=3).prediction
    Prediction.objects.filter(pk=purged.pk).update(text="")
    before = kept()
    file = tmp_path / f"verdicts{suffix}"

    assert export_verdicts(file, Verdict.objects.all()) == len(NASTY) + 1
    Verdict.objects.all().delete()
    done = import_verdicts(file, reviewer=None)

    assert (done.verdicts, done.bad, done.rated) == (len(NASTY) + 1, 0, 0), done.problems
    assert kept() == before
    assert import_verdicts(file, reviewer=None).unchanged == len(NASTY) + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [file.name]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_has_all_that_is_needed_to_learn_from_it(suffix: str, tmp_path: Path) -> None:
    make_verdict(make_prediction("A warm film."), label="NEGATIVE", rating=2)
    file = tmp_path / f"verdicts{suffix}"

    export_verdicts(file, Verdict.objects.all())

    if suffix == ".parquet":
        import pandas as pd

        [row] = pd.read_parquet(file).to_dict("records")
    elif suffix == ".jsonl":
        row = json.loads(file.read_text())
    else:
        [row] = csv.DictReader(
            io.StringIO(file.read_text(), newline=""), delimiter="\t" if suffix == ".tsv" else ","
        )
    assert tuple(row) == COLUMNS
    assert (row["text"], row["label"], str(row["rating"])) == ("A warm film.", "NEGATIVE", "2")
    assert (row["model_label"], str(row["model_rating"])) == ("POSITIVE", "9")
    assert row["model"] == "tiny@0123456789ab"
    assert row["split"] == split_of(text_digest("A warm film."))


def test_one_text_in_five_is_set_aside_for_ever() -> None:
    splits = [split_of(text_digest(f"film {number}")) for number in range(2000)]

    assert set(splits) == {TRAIN, TEST}
    assert 0.17 < splits.count(TEST) / 2000 < 0.23
    # By the digest alone, so these are so on every site and at all times.
    assert [split_of(text_digest(text)) for text in ("a", "b", "hello")] == [TRAIN, TRAIN, TEST]
    assert split_of("33333332" + "f" * 56) == TEST
    assert split_of("33333334" + "0" * 56) == TRAIN


def write(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_labels_of_others_become_verdicts_on_what_was_predicted(ann: User, tmp_path: Path) -> None:
    agreed, flipped, rated = (make_prediction(text) for text in ("agreed", "flipped", "rated"))
    older = make_prediction("twice", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    newer = make_prediction("twice")
    file = write(
        tmp_path / "labelled.jsonl",
        {"text": "  agreed ", "label": "pos"},
        {"text": "flipped", "label": 0},
        {"text": "rated", "rating": 4.0, "note": "Flat."},
        {"text": "twice", "label": "NEGATIVE", "rating": 5},
    )

    done = import_verdicts(file, reviewer=ann)

    assert (done.verdicts, done.bad) == (4, 0), done.problems
    said = {
        verdict.prediction: (verdict.label, verdict.rating) for verdict in Verdict.objects.all()
    }
    assert said == {
        agreed: ("POSITIVE", 9),
        flipped: ("NEGATIVE", 2),
        rated: ("NEGATIVE", 4),
        newer: ("NEGATIVE", 5),
    }
    assert older not in said
    assert set(Verdict.objects.values_list("chosen_by", "reviewer__username")) == {
        ("import", "ann")
    }
    assert Verdict.objects.get(prediction=rated).note == "Flat."
    assert AuditEntry.objects.count() == 4


def test_texts_that_are_not_known_are_rated_first(
    served_model: Path, ann: User, tmp_path: Path
) -> None:
    file = write(
        tmp_path / "labelled.jsonl",
        {"review": "a good film", "stars": 9},
        {"review": "the worst story", "stars": 1},
        {"review": "a good film", "stars": 8},  # the same text: the last one counts
    )

    done = import_verdicts(file, reviewer=ann, text_column="review", rating_column="stars")

    assert (done.rated, done.bad) == (2, 0)
    assert Prediction.objects.count() == 2
    assert dict(Verdict.objects.values_list("prediction__text", "rating")) == {
        "a good film": 8,
        "the worst story": 1,
    }


def test_bad_rows_are_told_of_and_the_others_taken(ann: User, tmp_path: Path) -> None:
    make_prediction("fine")
    file = write(
        tmp_path / "labelled.jsonl",
        {"text": "fine", "label": "NEGATIVE"},
        {"text": "fine"},
        {"text": "fine", "label": "mixed"},
        {"text": "fine", "rating": 11},
        {"text": "fine", "rating": 2.5},
        {"text": " ", "label": "NEGATIVE"},
        {"text": "a\0b", "label": "NEGATIVE"},
        {"text": 7, "label": "NEGATIVE"},
        {"text": "", "label": "NEGATIVE"},
        {"label": "NEGATIVE", "prediction": "no id", "text_sha256": "0" * 64},
    )

    done = import_verdicts(file, reviewer=ann)

    assert (done.verdicts, done.bad) == (1, 9)
    assert sorted(row for row, _ in done.problems) == list(range(2, 11))
    assert all(problem for _, problem in done.problems)


def test_an_id_of_another_site_takes_no_verdict_of_another_text(tmp_path: Path) -> None:
    here, there = make_prediction("said here"), make_prediction("said there")
    file = write(
        tmp_path / "labelled.jsonl",
        {"prediction": str(here.pk), "text": "said there", "label": "NEGATIVE"},
    )

    import_verdicts(file, reviewer=None)

    assert Verdict.objects.get().prediction == there


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.csv", "note,label\nx,POSITIVE\n", "column_unknown"),
        ("a.csv", "text,note\nx,y\n", "column_unknown"),
        ("a.txt", "text,label\nx,POSITIVE\n", "format_unknown"),
        ("a.parquet", "PAR1 and no more", "parquet_unreadable"),
        ("a.csv", "", "table_empty"),
    ],
)
def test_a_file_that_is_no_table_of_labels_is_refused(
    name: str, content: str, code: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_text(content)

    with pytest.raises(TableError) as refused:
        import_verdicts(file, reviewer=None)

    assert refused.value.code == code


def test_the_commands_say_what_they_did(
    ann: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_verdict(make_prediction("a"), rating=3, label="NEGATIVE")
    file = tmp_path / "verdicts.csv"

    call_command("export_verdicts", str(file))
    Verdict.objects.all().delete()
    call_command("import_verdicts", str(file), reviewer="ann")

    assert capsys.readouterr().out.splitlines() == [
        f"1 verdicts written to {file}",
        "1 verdicts given or changed, 0 were so already, 0 rows are bad; 0 texts were rated first.",
    ]
    assert Verdict.objects.get().reviewer == ann
    with pytest.raises(CommandError, match="--force"):
        call_command("export_verdicts", str(file))
    call_command("export_verdicts", str(file), force=True)


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        ("export_verdicts", ["verdicts.xml"], "must end in"),
        ("export_verdicts", ["no/folder/verdicts.csv"], "cannot be written"),
        ("import_verdicts", ["none.csv"], "cannot be read"),
        ("import_verdicts", ["none.csv", "--reviewer", "nobody"], "must be an account"),
    ],
)
def test_the_commands_say_what_is_wrong(
    command: str, arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(CommandError, match=said):
        call_command(command, *arguments)

    assert list(tmp_path.iterdir()) == []


def test_a_file_without_any_verdict_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "a.jsonl", {"text": "x", "label": "mixed"})

    with pytest.raises(CommandError, match="No row"):
        call_command("import_verdicts", str(file))

    assert "Row 1: A label is NEGATIVE or POSITIVE." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("action", "first"), [("export_csv", "prediction,text,"), ("export_jsonl", '{"prediction": ')]
)
def test_a_reviewer_exports_the_chosen_ones(admin_client: Client, action: str, first: str) -> None:
    chosen = make_prediction("chosen")
    make_verdict(chosen)
    make_verdict(make_prediction("not chosen"))

    answer = admin_client.post(
        "/admin/classifier/prediction/",
        {"action": action, "_selected_action": [str(chosen.pk)]},
    )

    content = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert content.startswith(first)
    assert "chosen" in content
    assert "not chosen" not in content
    assert "attachment" in answer["Content-Disposition"]
