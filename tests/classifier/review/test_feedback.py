import json
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from classifier.models import Feedback, Prediction, Verdict
from classifier.review.feedback import give_feedback
from tests.factories import make_prediction

pytestmark = pytest.mark.django_db


@pytest.fixture
def prediction() -> Prediction:
    return make_prediction()  # POSITIVE, 9 of 10


def said(prediction: Prediction) -> list[tuple[str, int | None, bool]]:
    return list(prediction.feedback.order_by("pk").values_list("label", "rating", "disagrees"))


def post(client: Client, prediction_id: Any, body: Any) -> Any:
    content = body if isinstance(body, str) else json.dumps(body)
    address = f"/api/predictions/{prediction_id}/feedback"
    return client.post(address, content, content_type="application/json")


@pytest.mark.parametrize(
    ("label", "rating", "disagrees"),
    [
        ("POSITIVE", 9, False),
        ("POSITIVE", 7, False),
        ("POSITIVE", 6, True),
        ("NEGATIVE", 9, True),
        ("NEGATIVE", 1, True),
    ],
)
def test_another_label_or_a_rating_far_off_is_a_disagreement(
    prediction: Prediction, label: str, rating: int, disagrees: bool
) -> None:
    given = give_feedback(prediction, visitor="v", label=label, rating=rating, source="form")

    assert given.disagrees is disagrees


def test_a_visitor_says_one_thing_of_a_prediction_the_last_one_counts(
    prediction: Prediction,
) -> None:
    give_feedback(prediction, visitor="ann", label="NEGATIVE", rating=2, source="form")
    give_feedback(prediction, visitor="bob", label="NEGATIVE", rating=3, source="form")
    give_feedback(prediction, visitor="ann", label="POSITIVE", rating=8, source="form")

    assert said(prediction) == [("POSITIVE", 8, False), ("NEGATIVE", 3, True)]
    assert "ann" not in str(list(Feedback.objects.values()))  # only a digest is kept


def test_the_page_of_an_answer_asks_whether_it_is_right(
    client: Client, prediction: Prediction
) -> None:
    page = client.get(prediction.get_absolute_url()).content.decode()
    assert "Is that right?" in page
    assert "Thank you" not in page

    answer = client.post(reverse("feedback", args=[prediction.pk]), {"right": "yes"}, follow=True)

    assert "Thank you: you say positive, 9 of 10." in " ".join(answer.content.decode().split())
    assert said(prediction) == [("POSITIVE", 9, False)]
    assert not Verdict.objects.exists()  # it is not the verdict


def test_a_visitor_corrects_an_answer_and_changes_their_mind(
    client: Client, prediction: Prediction
) -> None:
    address = reverse("feedback", args=[prediction.pk])
    client.post(address, {"label": "NEGATIVE", "rating": "2"})
    client.post(address, {"label": "NEGATIVE", "rating": "4"})
    Client().post(address, {"label": "POSITIVE", "rating": "9"})

    assert said(prediction) == [("NEGATIVE", 4, True), ("POSITIVE", 9, False)]


@pytest.mark.parametrize(
    "sent",
    [
        {},
        {"label": "NEGATIVE"},
        {"rating": "3"},
        {"label": "NEGATIVE", "rating": "11"},
        {"label": "NEGATIVE", "rating": "many"},
        {"label": "MIXED", "rating": "3"},
    ],
)
def test_a_form_that_says_nothing_is_shown_again(
    client: Client, prediction: Prediction, sent: dict[str, str]
) -> None:
    answer = client.post(reverse("feedback", args=[prediction.pk]), sent)

    assert answer.status_code == 400
    assert 'role="alert"' in answer.content.decode()
    assert said(prediction) == []


def test_feedback_on_what_is_not_there_is_a_404(client: Client) -> None:
    assert client.post(reverse("feedback", args=[uuid4()]), {"right": "yes"}).status_code == 404


def test_a_program_passes_on_what_its_visitors_say(client: Client, prediction: Prediction) -> None:
    answer = post(client, prediction.pk, {"label": "neg", "rating": 2, "visitor": "ann"})
    assert answer.status_code == 200
    assert answer.json() == {
        "prediction": str(prediction.pk),
        "label": "NEGATIVE",
        "rating": 2,
        "disagrees": True,
    }
    post(client, prediction.pk, {"right": True, "visitor": "bob"})
    post(client, prediction.pk, {"right": True})
    post(client, prediction.pk, {"label": "NEGATIVE", "rating": 1})  # unnamed: one visitor

    assert said(prediction) == [
        ("NEGATIVE", 2, True),
        ("POSITIVE", 9, False),
        ("NEGATIVE", 1, True),
    ]


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "label", "label_unknown"),
        ({"label": 3, "rating": 3}, "label", "label_unknown"),
        ({"label": "NEGATIVE"}, "rating", "rating_range"),
        ({"label": "NEGATIVE", "rating": 0}, "rating", "rating_range"),
        ({"label": "NEGATIVE", "rating": 11}, "rating", "rating_range"),
        ({"label": "NEGATIVE", "rating": 2.5}, "rating", "rating_range"),
        ({"label": "NEGATIVE", "rating": True}, "rating", "rating_range"),
        ({"label": "NEGATIVE", "rating": "two"}, "rating", "rating_range"),
        ({"label": True, "rating": 2}, "label", "label_unknown"),
        ({"right": False}, "right", "feedback_unclear"),
        ({"right": True, "rating": 2}, "right", "feedback_unclear"),
        ({"right": True, "visitor": 7}, "visitor", "text_type"),
        ({"right": True, "visitor": "a\0b"}, "visitor", "text_nul"),
        ({"right": True, "visitor": "v" * 201}, "visitor", "text_too_long"),
        (["right"], None, "not_an_object"),
        ("{", None, "parse_error"),
        ('{"label": "\\ud800", "rating": 3}', "label", "label_unknown"),
    ],
)
def test_bad_feedback_is_refused_with_what_is_wrong(
    client: Client, prediction: Prediction, body: Any, field: str | None, code: str
) -> None:
    answer = post(client, prediction.pk, body)

    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["field"], error["code"]) == (field, code)
    assert error["rule"]
    assert error["remedy"]
    assert said(prediction) == []


@pytest.mark.parametrize("prediction_id", [uuid4(), "none", "%00"])
def test_feedback_on_no_prediction_is_refused(client: Client, prediction_id: Any) -> None:
    answer = post(client, prediction_id, {"right": True})

    assert answer.status_code == 404
    assert "POST /api/predict" in answer.json()["error"]["remedy"]
