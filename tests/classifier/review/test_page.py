from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from classifier.models import AuditEntry, Prediction, ReviewClaim, ReviewSkip, Verdict
from classifier.predictor import holder
from classifier.review.feedback import give_feedback
from tests.factories import make_prediction, make_verdict, reviewers

pytestmark = pytest.mark.django_db

PAGE = "/admin/classifier/prediction/review/"


@pytest.fixture
def ann() -> User:
    """Of the group that the migration makes, and nothing else."""
    account = User.objects.create_user("ann", is_staff=True)
    account.groups.add(reviewers())
    return account


@pytest.fixture
def reviewer(client: Client, ann: User) -> Client:
    client.force_login(ann)
    return client


def shown(client: Client) -> Prediction | None:
    answer = client.get(PAGE)
    assert answer.status_code == 200
    found: Prediction | None = answer.context["prediction"]
    return found


def judge(client: Client, prediction: Prediction, **sent: Any) -> Any:
    return client.post(PAGE, {"prediction": str(prediction.pk), **sent}, follow=True)


def test_reviewers_are_kept_to_reviewing(reviewer: Client) -> None:
    prediction = make_prediction()

    for allowed in (
        PAGE,
        "/admin/classifier/prediction/",
        f"/admin/classifier/prediction/{prediction.pk}/change/",
        "/admin/classifier/modelversion/",
    ):
        assert reviewer.get(allowed).status_code == 200, allowed
    for forbidden in (
        "/admin/auth/user/",
        "/admin/training/trainingrun/",
        "/admin/classifier/auditentry/",
        f"/admin/classifier/prediction/{prediction.pk}/delete/",
    ):
        assert reviewer.get(forbidden).status_code == 403, forbidden
    listed = reviewer.get("/admin/classifier/prediction/").content.decode()
    assert "Confirm: the model was right" in listed
    assert "Purge the texts" not in listed


def test_the_queue_is_for_reviewers(client: Client) -> None:
    assert client.get(PAGE).status_code == 302  # to the login
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    prediction = make_prediction()

    assert client.get(PAGE).status_code == 403
    assert judge(client, prediction, judgement="confirm").status_code == 403
    assert client.get(f"{PAGE}{prediction.pk}/context/").status_code == 403
    assert client.post(f"{PAGE}undo/").status_code == 403
    assert not Verdict.objects.exists()


@pytest.mark.parametrize(
    ("sent", "label", "rating"),
    [
        ({"judgement": "confirm"}, "POSITIVE", 9),
        ({"judgement": "flip"}, "NEGATIVE", 2),
        ({"rating": "1"}, "NEGATIVE", 1),
        ({"rating": "5"}, "NEGATIVE", 5),
        ({"rating": "6"}, "POSITIVE", 6),
        ({"rating": "10", "note": "Superb."}, "POSITIVE", 10),
        ({"rating": "6", "label": "NEGATIVE"}, "NEGATIVE", 6),
    ],
)
def test_a_judgement_becomes_the_verdict(
    reviewer: Client, ann: User, sent: dict[str, str], label: str, rating: int
) -> None:
    prediction = make_prediction()
    assert shown(reviewer) == prediction

    judge(reviewer, prediction, **sent)

    verdict = Verdict.objects.get(prediction=prediction)
    assert (verdict.label, verdict.rating) == (label, rating)
    assert verdict.note == sent.get("note", "")
    assert verdict.reviewer == ann
    assert verdict.chosen_by in (Verdict.ChosenBy.BOUNDARY, Verdict.ChosenBy.RANDOM)
    assert AuditEntry.objects.get().actor_name == "ann"
    assert shown(reviewer) is None


def test_the_page_says_what_the_model_and_the_visitors_said(reviewer: Client) -> None:
    prediction = make_prediction("Such a <b>warm</b> film.", rating_low=7, rating_high=10)
    give_feedback(prediction, visitor="v", label="NEGATIVE", rating=3, source="form")

    page = " ".join(reviewer.get(PAGE).content.decode().split())

    assert "Such a &lt;b&gt;warm&lt;/b&gt; film." in page
    assert "The model says <strong>positive</strong>, <strong>9</strong> of 10 (7 to 10)" in page
    assert "A visitor says <strong>negative</strong>, <strong>3</strong> of 10" in page
    assert "Chosen because: a visitor disagreed" in page
    assert "Waiting: <strong>1</strong> that a visitor disagreed with" in page


@pytest.mark.parametrize("sent", [{}, {"judgement": "maybe"}, {"rating": "11"}, {"rating": "x"}])
def test_a_judgement_that_is_none_changes_nothing(reviewer: Client, sent: dict[str, str]) -> None:
    prediction = make_prediction()
    assert shown(reviewer) == prediction

    answer = judge(reviewer, prediction, **sent)

    assert 'class="error"' in answer.content.decode()
    assert not Verdict.objects.exists()
    assert shown(reviewer) == prediction


def test_a_review_that_somebody_else_took_is_not_overwritten(reviewer: Client) -> None:
    prediction = make_prediction()
    assert shown(reviewer) == prediction
    bob = User.objects.create_user("bob")
    ReviewClaim.objects.update(reviewer=bob)

    answer = judge(reviewer, prediction, judgement="flip")

    assert "Nothing was changed" in answer.content.decode()
    assert not Verdict.objects.exists()


def test_verdicts_and_skips_are_undone_one_after_the_other(reviewer: Client) -> None:
    for number in range(3):
        make_prediction(f"film {number}")
    first = shown(reviewer)
    assert first
    judge(reviewer, first, judgement="flip")
    second = shown(reviewer)
    assert second
    judge(reviewer, second, judgement="skip")
    assert shown(reviewer) not in (first, second)

    reviewer.post(f"{PAGE}undo/")
    assert shown(reviewer) == second
    assert not ReviewSkip.objects.exists()
    reviewer.post(f"{PAGE}undo/")
    assert shown(reviewer) == first
    assert not Verdict.objects.exists()

    judge(reviewer, first, judgement="confirm")
    assert Verdict.objects.get().chosen_by != Verdict.ChosenBy.REVIEWER  # as it was chosen at first
    reviewer.post(f"{PAGE}undo/")
    reviewer.post(f"{PAGE}undo/")  # nothing is left to undo
    assert shown(reviewer) == first


def test_what_moved_the_rating_and_similar_reviews_are_at_hand(
    reviewer: Client, tiny_model_dir: Any, settings: Any
) -> None:
    settings.CLASSIFIER_MODEL = str(tiny_model_dir)
    holder.reset()
    prediction = make_prediction("a good film . The worst story.")
    make_verdict(make_prediction("another good film"), note="Seen it.")

    page = reviewer.get(f"{PAGE}{prediction.pk}/context/").content.decode()

    assert "<mark" in page
    assert "another good film" in page
    assert "Seen it." in page


def test_without_a_model_the_page_still_helps(
    reviewer: Client, tmp_path: Any, settings: Any
) -> None:
    settings.CLASSIFIER_MODEL = str(tmp_path / "none")
    holder.reset()
    prediction = make_prediction("One. Two.")

    page = reviewer.get(f"{PAGE}{prediction.pk}/context/").content.decode()

    assert "No model can answer now." in page


def test_an_empty_queue_says_so(reviewer: Client) -> None:
    assert "Nothing waits for review." in reviewer.get(PAGE).content.decode()
