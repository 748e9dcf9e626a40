import pytest
from django.contrib.auth.models import User

from classifier.models import AuditEntry, Prediction, Verdict
from classifier.review.verdicts import (
    confirm_all,
    record_verdict,
    undo_verdict,
    withdraw_verdict,
)
from tests.factories import make_prediction

pytestmark = pytest.mark.django_db

Action = AuditEntry.Action


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


def log_of(prediction: Prediction) -> list[tuple[str, str, object, object]]:
    """The audit log of a prediction, the oldest entry first."""
    entries = AuditEntry.objects.of(prediction).order_by("pk")
    return [(entry.action, entry.actor_name, entry.before, entry.after) for entry in entries]


def said(label: str, rating: int | None, note: str = "") -> dict[str, object]:
    return {"label": label, "rating": rating, "note": note}


def test_every_change_of_a_verdict_is_in_the_audit_log(ann: User) -> None:
    bob = User.objects.create_user("bob")
    prediction = make_prediction()

    record_verdict(prediction, label="NEGATIVE", rating=2, reviewer=ann, chosen_by="random")
    verdict = record_verdict(prediction, label="NEGATIVE", rating=3, note="Irony.", reviewer=bob)

    assert (verdict.rating, verdict.note, verdict.reviewer) == (3, "Irony.", bob)
    assert verdict.chosen_by == "random"  # why it was reviewed at first
    withdraw_verdict(verdict, reviewer=ann)
    assert not Verdict.objects.exists()
    assert log_of(prediction) == [
        (Action.VERDICT_SET, "ann", None, said("NEGATIVE", 2)),
        (Action.VERDICT_CHANGED, "bob", said("NEGATIVE", 2), said("NEGATIVE", 3, "Irony.")),
        (Action.VERDICT_WITHDRAWN, "ann", said("NEGATIVE", 3, "Irony."), None),
    ]


def test_the_log_outlives_reviewer_and_prediction(ann: User) -> None:
    prediction = make_prediction()
    record_verdict(prediction, label="NEGATIVE", rating=2, reviewer=ann)

    ann.delete()
    pk = prediction.pk
    prediction.delete()

    [entry] = AuditEntry.objects.all()
    assert (entry.actor, entry.actor_name, entry.subject) == (None, "ann", f"prediction {pk}")


def test_saying_the_same_again_changes_nothing(ann: User) -> None:
    prediction = make_prediction()
    first = record_verdict(prediction, label="NEGATIVE", rating=2, reviewer=ann)
    again = record_verdict(prediction, label="NEGATIVE", rating=2, reviewer=ann)

    assert again.reviewed_at == first.reviewed_at
    assert len(log_of(prediction)) == 1


def test_a_prediction_never_changes(ann: User) -> None:
    prediction = make_prediction()
    before = Prediction.objects.filter(pk=prediction.pk).values().get()

    record_verdict(prediction, label="NEGATIVE", rating=2, reviewer=ann)

    assert Prediction.objects.filter(pk=prediction.pk).values().get() == before


def test_an_undone_verdict_leaves_what_was_before(ann: User) -> None:
    prediction = make_prediction()
    record_verdict(prediction, label="POSITIVE", rating=8, note="Warm.", reviewer=ann)
    record_verdict(prediction, label="NEGATIVE", rating=2, reviewer=ann)

    undo_verdict(prediction.pk, reviewer=ann)
    verdict = Verdict.objects.get()
    assert (verdict.label, verdict.rating, verdict.note) == ("POSITIVE", 8, "Warm.")

    withdraw_verdict(verdict, reviewer=ann)
    undo_verdict(prediction.pk, reviewer=ann)  # there is nothing to undo
    assert not Verdict.objects.exists()


def test_nobody_undoes_what_somebody_else_said(ann: User) -> None:
    bob = User.objects.create_user("bob")
    prediction = make_prediction()
    record_verdict(prediction, label="POSITIVE", rating=8, reviewer=ann)
    record_verdict(prediction, label="NEGATIVE", rating=2, reviewer=bob)

    undo_verdict(prediction.pk, reviewer=ann)

    assert Verdict.objects.get().label == "NEGATIVE"


def test_many_are_confirmed_with_an_entry_each(ann: User) -> None:
    predictions = [make_prediction(f"film {number}", rating=number) for number in range(1, 6)]

    assert confirm_all(Prediction.objects.all(), reviewer=ann) == 5

    for prediction in predictions:
        assert log_of(prediction) == [
            (Action.VERDICT_SET, "ann", None, said("POSITIVE", prediction.rating))
        ]
