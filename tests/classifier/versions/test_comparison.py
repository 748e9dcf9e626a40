from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from scipy.stats import binomtest

from classifier.labels import NEGATIVE, POSITIVE
from classifier.models import AuditEntry, ModelVersion, Prediction, VersionAnswer
from classifier.predictor import holder
from classifier.versions import answers
from classifier.versions.activation import activate, in_service, register
from classifier.versions.answers import owed_frozen, rate_frozen
from classifier.versions.comparison import compare, texts_of
from classifier.versions.gate import GateFailed, judge
from classifier.versions.paired import difference_interval, mcnemar
from tests.factories import (
    make_answer,
    make_prediction,
    make_verdict,
    make_version,
    texts_of_split,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def serving() -> ModelVersion:
    return make_version("serving", status=ModelVersion.Status.ACTIVE)


@pytest.fixture
def candidate() -> ModelVersion:
    return make_version("candidate")


def judged(
    serving: ModelVersion, candidate: ModelVersion, rows: str, label: str = POSITIVE
) -> list[Prediction]:
    """Frozen verdicts of one label; of each row a letter says who is right: both, s, c, none."""
    predictions = []
    known = Prediction.objects.count()
    for text, letter in zip(texts_of_split("test", known + len(rows))[known:], rows, strict=True):
        prediction = make_prediction(text)
        make_verdict(prediction, label=label, rating=9 if label == POSITIVE else 2)
        for version, letters in ((serving, "bs"), (candidate, "bc")):
            right = letter in letters
            said = label if right else NEGATIVE if label == POSITIVE else POSITIVE
            make_answer(
                version,
                prediction,
                label=said,
                positive_probability=0.9 if said == POSITIVE else 0.2,
                rating=9 if said == POSITIVE else 2,
            )
        predictions.append(prediction)
    return predictions


def test_both_are_measured_on_the_same_rows(serving: ModelVersion, candidate: ModelVersion) -> None:
    judged(serving, candidate, "bbbbsccn")
    judged(serving, candidate, "bbc", label=NEGATIVE)

    found = compare(candidate, serving)

    assert found is not None
    assert (len(found.rows), found.frozen) == (11, 11)
    assert found.serving.accuracy == pytest.approx(7 / 11)
    assert found.candidate.accuracy == pytest.approx(9 / 11)
    assert found.difference == pytest.approx(2 / 11)
    assert (len(found.only_serving), len(found.only_candidate)) == (1, 3)
    positive, negative = found.serving.classes[POSITIVE], found.serving.classes[NEGATIVE]
    assert (positive.rows, positive.recall, positive.precision) == (8, 5 / 8, 5 / 6)
    assert (negative.rows, negative.recall, negative.precision) == (3, 2 / 3, 2 / 5)
    assert positive.f1 == pytest.approx(2 * 5 / 14)
    assert found.serving.rating_error == pytest.approx(4 * 7 / 11)
    assert found.candidate.brier == pytest.approx((6 * 0.1**2 + 2 * 0.8**2 + 3 * 0.2**2) / 11)


def test_rows_that_one_of_them_owes_are_left_out(
    serving: ModelVersion, candidate: ModelVersion
) -> None:
    first, *_ = judged(serving, candidate, "bsc")
    VersionAnswer.objects.get(version=candidate, prediction=first).delete()

    found = compare(candidate, serving)

    assert found is not None
    assert (len(found.rows), found.frozen) == (2, 3)
    assert (owed_frozen(candidate), owed_frozen(serving)) == (1, 0)


def test_before_any_answer_there_is_nothing_to_compare(
    serving: ModelVersion, candidate: ModelVersion
) -> None:
    assert compare(candidate, serving) is None


def test_verdicts_that_may_be_learnt_from_do_not_count(
    serving: ModelVersion, candidate: ModelVersion
) -> None:
    for text in texts_of_split("train", 3):
        prediction = make_prediction(text)
        make_verdict(prediction)
        make_answer(serving, prediction)
        make_answer(candidate, prediction)

    assert compare(candidate, serving) is None
    assert owed_frozen(candidate) == 0


def test_a_text_counts_once_with_its_newest_verdict(
    serving: ModelVersion, candidate: ModelVersion
) -> None:
    [text] = texts_of_split("test", 1)
    old, new = make_prediction(text), make_prediction(text)
    make_verdict(old, label=NEGATIVE, rating=1)
    make_verdict(new, label=POSITIVE, rating=8)
    make_answer(serving, old, label=POSITIVE)
    make_answer(candidate, new, label=POSITIVE)

    found = compare(candidate, serving)

    assert found is not None
    assert len(found.rows) == 1
    assert found.candidate.accuracy == 1


def test_slices_tell_where_it_got_worse(serving: ModelVersion, candidate: ModelVersion) -> None:
    short = judged(serving, candidate, "bs")
    long = judged(serving, candidate, "cc")
    Prediction.objects.filter(pk__in=[each.pk for each in long]).update(
        text="a long film " * 200, source=Prediction.Source.FORM
    )

    found = compare(candidate, serving)

    assert found is not None
    slices = {(each.kind, each.name): each for each in found.slices}
    assert slices["length", "under 300 characters"].rows == len(short)
    assert slices["length", "under 300 characters"].candidate == 0.5
    assert slices["length", "over 1,500 characters"].serving == 0
    assert slices["source", "Form"].candidate == 1


def test_disagreements_come_with_their_texts(
    serving: ModelVersion, candidate: ModelVersion
) -> None:
    predictions = judged(serving, candidate, "s" * 30)
    found = compare(candidate, serving)
    assert found is not None

    with CaptureQueriesContext(
        connection,
    ) as queries:
        listed = texts_of(found.only_serving)

    assert len(queries) == 1
    assert len(listed) == 25
    assert {text for _, text in listed} <= {each.text for each in predictions}


def test_comparing_asks_the_database_as_often_for_many_rows_as_for_few(
    serving: ModelVersion, candidate: ModelVersion
) -> None:
    counts = []
    for rows in ("bs", "bcn" * 10):
        judged(serving, candidate, rows)
        with CaptureQueriesContext(connection) as queries:
            compare(candidate, serving)
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 4


@pytest.mark.parametrize("rows", [(0, 0), (1, 0), (3, 9), (40, 40), (2, 90)])
def test_mcnemar_is_the_binomial_test_of_the_rows_that_differ(rows: tuple[int, int]) -> None:
    expected = binomtest(rows[0], sum(rows), 0.5).pvalue if sum(rows) else 1.0

    assert mcnemar(*rows) == pytest.approx(expected)


def test_the_interval_holds_the_difference_and_narrows_with_more_rows() -> None:
    low, high = difference_interval(10, 20, 200)
    assert low < 10 / 200 < high
    wide, narrow = difference_interval(1, 2, 20), difference_interval(100, 200, 2000)
    assert narrow[1] - narrow[0] < (wide[1] - wide[0]) / 5
    assert difference_interval(0, 0, 3)[0] == -difference_interval(0, 0, 3)[1] < 0


# The gate


def test_the_gate_wants_enough_rows(
    serving: ModelVersion, candidate: ModelVersion, settings: Any
) -> None:
    settings.GATE_ROWS = 4
    judged(serving, candidate, "bb")
    judged(serving, candidate, "b", label=NEGATIVE)
    assert not judge(compare(candidate, serving)).passed
    assert not judge(None).passed

    judged(serving, candidate, "b", label=NEGATIVE)

    assert judge(compare(candidate, serving)).passed


@pytest.mark.parametrize(
    ("positive", "negative", "passed"),
    [
        ("b" * 10, "b" * 10, True),
        ("b" * 10 + "c", "b" * 10, True),
        ("b" * 10 + "s", "b" * 10 + "c", False),  # one class falls by a tenth
        ("b" * 30 + "s", "b" * 30 + "c", True),  # by a thirtieth
        ("b" * 30 + "s", "b" * 30, False),  # accuracy falls
        ("b" * 10, "", False),  # nothing is known of one class
    ],
)
def test_the_gate_holds_each_threshold(
    serving: ModelVersion, candidate: ModelVersion, positive: str, negative: str, passed: bool
) -> None:
    judged(serving, candidate, positive)
    judged(serving, candidate, negative, label=NEGATIVE)

    assert judge(compare(candidate, serving)).passed == passed


def test_a_large_slice_that_falls_fails_the_gate(
    serving: ModelVersion, candidate: ModelVersion, settings: Any
) -> None:
    settings.GATE_PART_LOSS = 0.1
    fallen = judged(serving, candidate, "s" * 12 + "b" * 88)
    Prediction.objects.filter(pk__in=[each.pk for each in fallen]).update(source="form")
    judged(serving, candidate, "c" * 12 + "b" * 28)
    judged(serving, candidate, "b" * 10, label=NEGATIVE)

    failures = judge(compare(candidate, serving)).failures()

    assert "by source: Form" in failures
    assert "POSITIVE" not in failures


# With real models


@pytest.fixture
def reviewed() -> list[Prediction]:
    """Frozen verdicts that say what the tiny models were trained to say."""
    predictions = []
    for number, text in enumerate(texts_of_split("test", 12)):
        negative = number % 2
        prediction = make_prediction(
            text.replace("good", "awful" if negative else "good"), text_sha256=f"{number:064x}"
        )
        make_verdict(
            prediction, label=NEGATIVE if negative else POSITIVE, rating=2 if negative else 9
        )
        predictions.append(prediction)
    return predictions


def test_a_version_answers_what_it_owes_and_nothing_twice(
    other_model_dir: Path, reviewed: list[Prediction], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register(other_model_dir)
    monkeypatch.setattr(answers, "BATCH", 5)

    assert rate_frozen(version, seconds=0) == len(reviewed)
    assert rate_frozen(version) == 0
    assert rate_frozen(version) == 0

    said = VersionAnswer.objects.filter(version=version, shadow=False)
    assert said.count() == len(reviewed)
    truth = {each.pk: each.verdict.label for each in reviewed}
    assert all(answer.label == truth[answer.prediction_id] for answer in said)


def test_a_candidate_that_does_as_well_is_activated_without_a_reason(
    other_model_dir: Path, reviewed: list[Prediction], settings: Any
) -> None:
    settings.GATE_ROWS = len(reviewed)
    serving, version = in_service(), register(other_model_dir)
    assert serving is not None
    with pytest.raises(GateFailed, match="12 frozen rows or more"):
        activate(version, actor=None)
    assert not AuditEntry.objects.exists()
    rate_frozen(version)
    rate_frozen(serving)

    activate(version, actor=None)

    assert AuditEntry.objects.get(after__gate="passed")


def test_a_failed_gate_is_passed_with_a_reason_that_is_kept(
    other_model_dir: Path, settings: Any
) -> None:
    settings.GATE_ROWS = 1
    version = register(other_model_dir)
    with pytest.raises(GateFailed, match="reason why"):
        activate(version, actor=None, reason="  ")

    activate(version, actor=None, reason="The old one is too slow.")

    entry = AuditEntry.objects.get()
    assert entry.reason == "The old one is too slow."
    assert entry.after
    assert "1 frozen rows or more" in entry.after["gate"]


def test_comparing_from_a_terminal(
    other_model_dir: Path,
    reviewed: list[Prediction],
    settings: Any,
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings.GATE_ROWS = len(reviewed)
    holder.reset()

    call_command("compare_models", str(other_model_dir))

    said = capsys.readouterr().out
    assert "accuracy" in said
    assert "12 of 12 rows" in said
    assert f"Activate it: manage.py activate_model {ModelVersion.objects.get(name='other')}" in said
    settings.GATE_ROWS = 100
    with pytest.raises(CommandError, match="does not pass the gate"):
        call_command("compare_models", str(other_model_dir))
    with pytest.raises(CommandError, match="Give another with --against"):
        call_command("compare_models", str(other_model_dir), against=str(other_model_dir))
