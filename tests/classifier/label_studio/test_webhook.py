"""Annotations that come back as verdicts."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from classifier.models import AuditEntry, Prediction, Verdict
from classifier.review.verdicts import record_verdict
from tests.classifier.label_studio.projects import (
    CONFIG,
    annotation,
    choice,
    deletion,
    event,
    post,
    predict_request,
    stars,
    task,
)
from tests.classifier.test_api_errors import error_of
from tests.factories import make_prediction, make_verdict

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("open_door")]

LATER = "2026-02-01T08:00:00.000001Z"


@pytest.fixture
def prediction() -> Prediction:
    return make_prediction()  # of "A warm film.", POSITIVE, 9 of 10


@pytest.fixture
def warm() -> dict[str, Any]:
    return task("A warm film.")


def send(client: Client, body: Any) -> dict[str, Any]:
    response = post(client, "webhook", body)
    assert response.status_code == 200, response.content
    answer: dict[str, Any] = response.json()
    assert list(answer) == ["verdicts", "unchanged", "withdrawn", "ignored"]
    return answer


def counts(answer: dict[str, Any]) -> tuple[int, int, int, int]:
    """Verdicts, unchanged, withdrawn and ignored."""
    return (answer["verdicts"], answer["unchanged"], answer["withdrawn"], len(answer["ignored"]))


def said() -> list[tuple[Any, ...]]:
    return list(Verdict.objects.values_list("prediction__text", "label", "rating", "note"))


def log() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


@pytest.mark.parametrize("action", ["ANNOTATION_CREATED", "ANNOTATION_UPDATED"])
def test_an_annotation_is_a_verdict_on_the_prediction_of_its_text(
    action: str, prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    answer = send(client, event(annotation(choice("Negative"), stars(2)), warm, action))

    assert counts(answer) == (1, 0, 0, 0)
    verdict = Verdict.objects.get()
    assert (verdict.prediction, verdict.label, verdict.rating) == (prediction, "NEGATIVE", 4)
    assert (verdict.note, verdict.chosen_by) == ("Label Studio annotation 17", "import")
    assert verdict.reviewer is None
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.actor, entry.reason) == (
        "verdict set",
        None,
        "Label Studio annotation 17 as of 2026-01-31T12:30:15.123456+00:00",
    )


@pytest.mark.parametrize(
    ("regions", "label", "rating"),
    [
        ([choice("Positive")], "POSITIVE", 9),  # as the model: its rating
        ([choice("Negative")], "NEGATIVE", 2),  # mirrored
        ([choice("Positive"), stars(5)], "POSITIVE", 9),  # five stars are a 9, too
        ([choice("Positive"), stars(4)], "POSITIVE", 8),
        ([choice("Negative"), stars(1.0)], "NEGATIVE", 2),
        ([stars(5)], "POSITIVE", 9),
        ([stars(1)], "NEGATIVE", 2),
        ([choice("Negative"), stars(0)], "NEGATIVE", 2),
        ([choice("Negative"), stars(6)], "NEGATIVE", 2),
        ([choice("Negative"), stars(2.5)], "NEGATIVE", 2),
        ([choice("Negative"), stars("4")], "NEGATIVE", 2),
        ([choice("Negative"), stars(True)], "NEGATIVE", 2),
        ([choice("Negative", "Neither")], "NEGATIVE", 2),
        ([choice("Negative") | {"to_name": "title"}, choice("Positive")], "POSITIVE", 9),
        ([choice("Negative") | {"from_name": "irony"}, choice("Positive")], "POSITIVE", 9),
        (["x", None, {"value": 5}, choice("Negative")], "NEGATIVE", 2),
    ],
    ids=str,
)
def test_choice_and_stars_are_label_and_rating(
    regions: list[Any],
    label: str,
    rating: int,
    prediction: Prediction,
    warm: dict[str, Any],
    client: Client,
) -> None:
    send(client, event(annotation(*regions), warm))

    assert said() == [("A warm film.", label, rating, "Label Studio annotation 17")]


def test_a_text_that_is_not_known_is_rated_first(client: Client, served_model: Path) -> None:
    make_prediction("another")

    answer = send(client, event(annotation(choice("Negative")), task(" superb joy ")))

    assert counts(answer) == (1, 0, 0, 0)
    rated = Prediction.objects.get(text="superb joy")
    assert (rated.label, rated.source) == ("POSITIVE", "studio")
    assert rated.verdict.label == "NEGATIVE"


def test_a_text_whose_words_were_purged_is_known_by_its_digest(
    prediction: Prediction, warm: dict[str, Any], client: Client, no_model: Path
) -> None:
    Prediction.objects.update(text="")

    send(client, event(annotation(choice("Negative")), warm))

    assert Verdict.objects.get().prediction == prediction


def test_the_newest_prediction_is_the_one_and_the_shown_one_before_it(
    prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    newest = make_prediction()

    send(client, event(annotation(choice("Positive")), warm))
    send(client, event(annotation(choice("Positive", id=str(prediction.pk)), number=18), warm))

    assert set(Verdict.objects.values_list("note", "prediction")) == {
        ("Label Studio annotation 17", newest.pk),
        ("Label Studio annotation 18", prediction.pk),
    }


def test_an_id_of_another_text_is_not_believed(
    prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    other = make_prediction("another")

    send(client, event(annotation(choice("Negative", id=str(other.pk))), warm))

    assert Verdict.objects.get().prediction == prediction


def test_what_was_predicted_comes_back_as_it_was_sent(client: Client, served_model: Path) -> None:
    tasks = [task("superb joy", 1), task("awful bore", 2)]
    results = post(client, "predict", predict_request(*tasks)).json()["results"]
    shown = list(Prediction.objects.order_by("created_at"))
    for one in tasks:
        make_prediction(one["data"]["text"], label="POSITIVE")  # rated again since

    for number, (one, result) in enumerate(zip(tasks, results, strict=True)):
        taken = annotation(*result["result"], number=number, task=one["id"])
        send(client, event(taken, one))

    assert Verdict.objects.count() == 2
    for row in shown:
        row.refresh_from_db()
        assert (row.verdict.label, row.verdict.rating) == (row.label, row.rating)


def test_the_same_event_again_changes_nothing(
    prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    body = event(annotation(choice("Negative")), warm)

    assert counts(send(client, body)) == (1, 0, 0, 0)
    first = Verdict.objects.get()
    assert counts(send(client, body)) == (0, 1, 0, 0)

    again = Verdict.objects.get()
    assert (again.pk, again.reviewed_at) == (first.pk, first.reviewed_at)
    assert log() == ["verdict set"]


def test_the_same_event_again_does_not_undo_what_came_after_it(
    prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    body = event(annotation(choice("Negative")), warm)
    send(client, body)
    ann = User.objects.create_user("ann")
    record_verdict(prediction, label="POSITIVE", rating=7, reviewer=ann)

    assert counts(send(client, body)) == (0, 1, 0, 0)
    assert said() == [("A warm film.", "POSITIVE", 7, "")]


def test_an_updated_annotation_changes_its_verdict_wherever_that_is(
    prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    send(client, event(annotation(choice("Negative")), warm))
    make_prediction()  # the text was rated again
    later = annotation(choice("Positive"), stars(4), updated_at=LATER)

    answer = send(client, event(later, warm, "ANNOTATION_UPDATED"))

    assert counts(answer) == (1, 0, 0, 0)
    assert said() == [("A warm film.", "POSITIVE", 8, "Label Studio annotation 17")]
    assert Verdict.objects.get().prediction == prediction
    assert log() == ["verdict set", "verdict changed"]


def test_a_second_annotator_has_the_last_word(
    prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    send(client, event(annotation(choice("Negative")), warm))
    send(client, event(annotation(choice("Positive"), number=1), warm))

    assert said() == [("A warm film.", "POSITIVE", 9, "Label Studio annotation 1")]
    assert counts(send(client, deletion(17))) == (0, 0, 0, 0)
    assert counts(send(client, deletion(1))) == (0, 0, 1, 0)


def test_several_annotations_come_in_one_event(client: Client) -> None:
    for text in ("one", "two", "three"):
        make_prediction(text)
    tasks = [task(text, number) for number, text in enumerate(("one", "two", "three"))]
    annotations = [
        annotation(choice(label), number=10 + number, task=number)
        for number, label in ((2, "Negative"), (0, "Positive"), (1, "Neither"))
    ]

    answer = send(client, event(annotations, tasks, "ANNOTATIONS_CREATED"))

    assert counts(answer) == (2, 0, 0, 1)
    assert set(said()) == {
        ("one", "POSITIVE", 9, "Label Studio annotation 10"),
        ("three", "NEGATIVE", 2, "Label Studio annotation 12"),
    }


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"was_cancelled": True}, "skipped"),
        ({"result": []}, "neither"),
        ({"result": None}, "neither"),
        ({"result": [choice("Neither")]}, "neither"),
        ({"result": [choice("Positive", "Negative")]}, "both"),
        ({"result": [choice("Positive"), choice("Negative")]}, "both"),
        ({"result": [choice() | {"value": {"choices": "Positive"}}]}, "neither"),
        ({"result": [choice() | {"value": {"choices": [["Positive"]]}}]}, "neither"),
    ],
    ids=str,
)
def test_an_annotation_that_says_neither_gives_no_verdict_and_takes_its_own_back(
    values: dict[str, Any],
    why: str,
    prediction: Prediction,
    warm: dict[str, Any],
    client: Client,
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = send(client, event(annotation(choice("Positive")) | values, warm))

    assert counts(answer) == (0, 0, 0, 1)
    assert why in answer["ignored"][0]
    assert "Label Studio annotation 17 gives no verdict" in caplog.text
    assert (said(), log()) == ([], [])

    send(client, event(annotation(choice("Positive")), warm))
    later = annotation(choice("Positive")) | values | {"updated_at": LATER}
    assert counts(send(client, event(later, warm, "ANNOTATION_UPDATED"))) == (0, 0, 1, 1)
    assert said() == []


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "at least one character"), (5, "must be a string"), ("a\0", "NUL")],
)
def test_a_text_that_cannot_be_rated_gives_no_verdict_and_is_not_repeated(
    text: Any, code: str, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    answer = send(client, event(annotation(choice("Positive")), task(text)))

    assert counts(answer) == (0, 0, 0, 1)
    assert code in answer["ignored"][0]
    assert code in caplog.text


@pytest.mark.parametrize(
    "found", [{"id": 2, "data": {"text": "A warm film."}}, {"id": 1, "data": {"body": "x"}}]
)
def test_an_annotation_without_its_task_gives_no_verdict(
    found: dict[str, Any], prediction: Prediction, client: Client
) -> None:
    answer = send(client, event(annotation(choice("Positive")), found))

    assert counts(answer) == (0, 0, 0, 1)
    assert "'text'" in answer["ignored"][0]


def test_a_deleted_annotation_takes_its_verdict_back(
    prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    created = event(annotation(choice("Negative")), warm)
    send(client, created)

    assert counts(send(client, deletion(17, 18))) == (0, 0, 1, 0)
    assert said() == []
    assert log() == ["verdict set", "verdict withdrawn"]
    assert AuditEntry.objects.first().reason == "Label Studio annotation 17 deleted"  # type: ignore[union-attr]
    assert counts(send(client, deletion(17))) == (0, 0, 0, 0)
    assert counts(send(client, created)) == (0, 1, 0, 0)  # it is not given again
    assert len(log()) == 2


def test_a_deleted_annotation_leaves_what_somebody_has_changed_since(
    prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    send(client, event(annotation(choice("Negative")), warm))
    ann = User.objects.create_user("ann")
    note = "Label Studio annotation 17"  # as the form shows it, and saves it again
    record_verdict(prediction, label="NEGATIVE", rating=1, note=note, reviewer=ann)

    assert counts(send(client, deletion(17))) == (0, 0, 0, 0)
    assert said() == [("A warm film.", "NEGATIVE", 1, note)]


def test_a_deleted_annotation_leaves_what_only_looks_like_its_own(client: Client) -> None:
    make_verdict(make_prediction("imported"), note="Label Studio annotation 17")
    make_verdict(make_prediction("other"), note="Label Studio annotation 170")

    assert counts(send(client, deletion(17))) == (0, 0, 0, 0)
    assert Verdict.objects.count() == 2


@pytest.mark.parametrize(
    "by",
    [
        {"id": 3, "email": "Ann@Example.com"},
        {"id": 3, "username": "ann"},
        {"id": 3, "email": "ann@example.com", "username": "ann"},
        "ann@example.com",
        "ann",
    ],
    ids=str,
)
def test_the_reviewer_is_the_sites_user_of_that_name(
    by: Any, prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    ann = User.objects.create_user("ann", email="ann@example.com")
    User.objects.create_user("bob", email="bob@example.com")

    send(client, event(annotation(choice("Negative"), completed_by=by), warm))

    assert Verdict.objects.get().reviewer == ann
    assert AuditEntry.objects.get().actor == ann


@pytest.mark.parametrize(
    "by",
    [1, None, True, "", {}, {"email": ""}, "carol", ["ann"], "a\0", "\ud800", "two@example.com"],
    ids=repr,
)
def test_without_one_such_user_there_is_no_reviewer(
    by: Any, prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    User.objects.create_user("ann")  # without an address
    for name in ("one", "two"):
        User.objects.create_user(name, email="two@example.com")

    send(client, event(annotation(choice("Negative"), completed_by=by), warm))

    assert Verdict.objects.get().reviewer is None


@pytest.mark.parametrize("action", ["PROJECT_UPDATED", "START_TRAINING", "TASKS_CREATED", "\ud800"])
def test_other_events_are_answered_and_nothing_is_done(
    action: str, prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    answer = send(client, event(annotation(choice("Negative")), warm, action))

    assert counts(answer) == (0, 0, 0, 1)
    assert repr(action) in answer["ignored"][0]
    assert "ANNOTATION_CREATED" in answer["ignored"][0]
    assert said() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": 5}, "action"),
        ({"action": "ANNOTATION_CREATED"}, "project"),
        (event(None, task("x")), "annotation"),
        (event([5], task("x")), "annotation"),
        (event(annotation(choice("Positive")), None), "task"),
        (event(annotation(choice("Positive"), number="17"), task("x")), "annotation.id"),  # type: ignore[arg-type]
        (event(annotation(choice("Positive"), number=True), task("x")), "annotation.id"),
        (
            event(annotation(choice("Positive"), updated_at=None), task("x")),
            "annotation.updated_at",
        ),
        (
            event(annotation(choice("Positive"), updated_at="2026-13-01T00:00Z"), task("x")),
            "annotation.updated_at",
        ),
        (
            event(annotation(choice("Positive")), task("x"), project={"label_config": "<View/>"}),
            "project.label_config",
        ),
        ({"action": "ANNOTATIONS_DELETED"}, "annotations"),
        ({"action": "ANNOTATIONS_DELETED", "annotations": [{}]}, "annotation.id"),
    ],
    ids=lambda given: str(given)[:60],
)
def test_an_event_that_lacks_something_is_refused(
    body: dict[str, Any], field: str, client: Client
) -> None:
    response = post(client, "webhook", body)

    error = error_of(response)
    assert response.status_code == 400
    assert error["field"] == field
    if field != "project.label_config":
        assert error["code"] == "webhook_event"
        assert "payload" in error["remedy"]
    assert not Prediction.objects.exists()


def test_a_project_without_stars_gives_a_label_alone(
    prediction: Prediction, warm: dict[str, Any], client: Client
) -> None:
    config = CONFIG.replace('<Rating name="stars" toName="review"/>', "")
    project = {"id": 7, "label_config": config}

    send(client, event(annotation(choice("Negative"), stars(5)), warm, project=project))

    assert said() == [("A warm film.", "NEGATIVE", 2, "Label Studio annotation 17")]
