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
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from classifier.bulk.errors import TableError
from classifier.models import AuditEntry, Prediction, Verdict, text_digest
from classifier.review.exporting import COLUMNS, export_verdicts
from classifier.review.importing import Columns, import_verdicts, preview_import
from classifier.review.importing.rows import BATCH
from classifier.review.split import TEST, TRAIN, split_of
from classifier.review.verdicts import record_verdicts
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
    said = make_prediction("A warm film.", rating_low=7, rating_high=10)
    make_verdict(said, label="NEGATIVE", rating=2)
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
    assert (str(row["model_rating_low"]), str(row["model_rating_high"])) == ("7", "10")
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

    done = import_verdicts(file, reviewer=ann, columns=Columns(text="review", rating="stars"))

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
        {"text": "fine", "label": "NEGATIVE", "note": "\ud800"},
        {"text": "fine", "label": "NEGATIVE", "reviewer": "\udfff"},
        {"label": "NEGATIVE", "text_sha256": "\udfff"},
    )

    for at_once in (False, True):
        done = import_verdicts(file, reviewer=ann, at_once=at_once)

        assert (done.verdicts + done.unchanged, done.bad) == (1, 12)
        assert sorted(row for row, _ in done.problems) == list(range(2, 14))
        assert all(problem for _, problem in done.problems)


def test_the_queries_of_a_batch_do_not_grow_with_its_rows(ann: User, tmp_path: Path) -> None:
    def queries(rows: int) -> list[int]:
        """Of giving so many verdicts, of changing them, and of finding them as they are."""
        for number in range(rows):
            make_prediction(f"{rows} {number}")
        counts = []
        for rating in (3, 4, 4):
            file = write(
                tmp_path / "labelled.jsonl",
                *(
                    {
                        "text": f"{rows} {number}",
                        "rating": rating,
                        "reviewer": "ann",
                        "reviewed_at": "2026-01-01T00:00:00Z",
                    }
                    for number in range(rows)
                ),
            )
            with CaptureQueriesContext(connection) as captured:
                done = import_verdicts(file, reviewer=ann)
            assert done.verdicts + done.unchanged == rows
            counts.append(len(captured))
        return counts

    few = queries(2)

    assert queries(90) == few
    assert max(few) <= 12


def test_several_rows_on_one_prediction_are_all_in_the_log_and_the_last_one_counts(
    ann: User, tmp_path: Path
) -> None:
    prediction = make_prediction("said")
    file = write(
        tmp_path / "labelled.jsonl",
        *({"text": "said", "rating": rating} for rating in (2, 3, 3, 4)),
    )

    done = import_verdicts(file, reviewer=ann)

    assert (done.verdicts, done.unchanged) == (3, 1)
    assert Verdict.objects.get(prediction=prediction).rating == 4
    log = AuditEntry.objects.of(prediction).order_by("pk")
    assert [entry.after["rating"] for entry in log] == [2, 3, 4]  # type: ignore[index]
    assert [entry.action for entry in log] == ["verdict set", *2 * ["verdict changed"]]


def test_the_log_says_who_imported_whosever_verdict_it_is(ann: User, tmp_path: Path) -> None:
    bob = User.objects.create_user("bob")
    make_prediction("said")
    file = write(tmp_path / "labelled.jsonl", {"text": "said", "rating": 2, "reviewer": "ann"})

    import_verdicts(file, reviewer=bob)

    assert Verdict.objects.get().reviewer == ann
    entry = AuditEntry.objects.get()
    assert (entry.actor_name, entry.reason) == ("bob", "import of labelled.jsonl")


def test_names_in_the_file_count_for_nothing_where_it_is_said_so(ann: User, tmp_path: Path) -> None:
    bob = User.objects.create_user("bob")
    make_prediction("said")
    file = write(tmp_path / "labelled.jsonl", {"text": "said", "rating": 2, "reviewer": "ann"})

    import_verdicts(file, reviewer=bob, keep_reviewers=False)

    assert Verdict.objects.get().reviewer == bob


def test_at_once_all_verdicts_are_written_or_none(ann: User, tmp_path: Path) -> None:
    for number in range(BATCH + 1):
        make_prediction(f"film {number}")
    file = tmp_path / "labelled.csv"
    file.write_text("text,rating\n" + "".join(f"film {n},2\n" for n in range(BATCH + 1)))
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr("classifier.review.importing.writing.record_verdicts", _failing(after=1))
        with pytest.raises(OSError, match="the disk"):
            import_verdicts(file, reviewer=ann, at_once=True)
    assert not Verdict.objects.exists()

    assert import_verdicts(file, reviewer=ann, at_once=True).verdicts == BATCH + 1


def _failing(*, after: int) -> Any:
    """record_verdicts that fails once it was called `after` times."""
    calls = []

    def record(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        if len(calls) > after:
            raise OSError("the disk")
        return record_verdicts(*args, **kwargs)

    return record


def test_a_preview_says_what_importing_then_does(
    served_model: Path, ann: User, tmp_path: Path
) -> None:
    make_verdict(make_prediction("same"), rating=9, label="POSITIVE")
    make_verdict(make_prediction("changed"), rating=9, label="POSITIVE")
    make_prediction("new")
    file = write(
        tmp_path / "labelled.jsonl",
        {"text": "same", "label": "POSITIVE"},
        {"text": "changed", "rating": 2},
        {"text": "new", "label": "neg"},
        {"text": "new", "label": "pos"},
        {"text": "a good film", "label": "pos"},
        {"text": "a good film", "label": "pos"},
        {"text": "bad", "label": "mixed"},
        {"prediction": "1", "text_sha256": "0" * 64, "label": "pos"},
    )
    rows = Prediction.objects.count()

    seen = preview_import(file)

    assert (seen.new, seen.changed, seen.same) == (2, 2, 2)
    assert (seen.unknown, seen.bad, seen.rows) == (1, 2, 8)
    assert [row.number for row in seen.problems] == [7, 8]
    assert [(row.number, row.effect, row.rating) for row in seen.shown] == [
        (1, "same", 9),
        (2, "changed", 2),
        (3, "new", 2),
        (4, "changed", 9),
        (5, "new", None),
        (6, "same", None),
    ]
    assert seen.shown[1].before == {"label": "POSITIVE", "rating": 9, "note": ""}
    assert (Prediction.objects.count(), Verdict.objects.count()) == (rows, 2)

    done = import_verdicts(file, reviewer=ann)

    assert (done.verdicts, done.unchanged) == (seen.new + seen.changed, seen.same)
    assert (done.rated, done.bad) == (seen.unknown, seen.bad)


@pytest.mark.parametrize(("bound", "said"), [("most_rows", "rows"), ("most_unknown", "texts")])
def test_a_preview_has_bounds(bound: str, said: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", *({"text": f"film {n}", "rating": 2} for n in range(3)))

    enough: dict[str, Any] = {bound: 3}
    too_few: dict[str, Any] = {bound: 2}

    assert preview_import(file, **enough).new == 3
    with pytest.raises(TableError, match=f"2 {said}.* at most"):
        preview_import(file, **too_few)


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
