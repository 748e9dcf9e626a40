import uuid
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from classifier.models import AuditEntry, ModelVersion, Prediction, Verdict, text_digest
from tests.factories import make_prediction, make_verdict

pytestmark = pytest.mark.django_db

LIST = "/admin/classifier/prediction/"


@pytest.fixture
def reviewer(admin_client: Client) -> Client:
    return admin_client


def shown(response: Any) -> set[uuid.UUID]:
    """The ids of the predictions that a list shows."""
    assert response.status_code == 200
    return {prediction.pk for prediction in response.context["cl"].result_list}


def run_action(client: Client, name: str, *chosen: Prediction) -> Any:
    data = {"action": name, "_selected_action": [str(prediction.pk) for prediction in chosen]}
    response = client.post(LIST, data, follow=True)
    assert response.status_code == 200
    return response


def change_address(prediction: Prediction) -> str:
    return reverse("admin:classifier_prediction_change", args=[prediction.pk])


def verdict_form(prediction: Prediction, **values: Any) -> dict[str, Any]:
    """What the browser posts from the page of a prediction."""
    existing = Verdict.objects.filter(prediction=prediction).first()
    return {
        "feedback-TOTAL_FORMS": 0,
        "feedback-INITIAL_FORMS": 0,
        "verdict-TOTAL_FORMS": 1,
        "verdict-INITIAL_FORMS": int(existing is not None),
        "verdict-0-id": existing.pk if existing else "",
        "verdict-0-prediction": str(prediction.pk),
        **{f"verdict-0-{name}": value for name, value in values.items()},
    }


def test_the_list_shows_what_was_said_and_of_what(reviewer: Client) -> None:
    make_verdict(make_prediction("A superb evening", rating=8), rating=3, label="NEGATIVE")

    page = reviewer.get(LIST).content.decode()

    assert "A superb evening" in page
    assert "tiny@0123456789ab" in page
    assert "NEGATIVE 3/10" in page


def test_the_list_and_the_page_show_the_interval(reviewer: Client) -> None:
    prediction = make_prediction("A superb evening", rating=8, rating_low=6, rating_high=10)

    assert "6–10" in reviewer.get(LIST).content.decode()  # noqa: RUF001
    assert "Rating low" in reviewer.get(f"{LIST}{prediction.pk}/change/").content.decode()


def test_a_prediction_without_a_verdict_says_so(reviewer: Client) -> None:
    make_prediction()

    assert "none yet" in reviewer.get(LIST).content.decode()


def test_a_purged_text_is_still_a_link(reviewer: Client) -> None:
    make_prediction("")

    assert "(purged)" in reviewer.get(LIST).content.decode()


def test_markup_in_a_review_is_shown_as_text(reviewer: Client) -> None:
    prediction = make_prediction("<script>alert(1)</script>")

    for address in (LIST, change_address(prediction)):
        page = reviewer.get(address).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"pending", "confirmed", "corrected"}),
        ("review=pending", {"pending"}),
        ("review=reviewed", {"confirmed", "corrected"}),
        ("review=corrected", {"corrected"}),
        ("review=other", {"pending", "confirmed", "corrected"}),
        ("label__exact=NEGATIVE", {"corrected"}),
        ("rating=2", {"corrected"}),
        ("source__exact=form", {"pending"}),
        ("truncated__exact=1", {"confirmed"}),
        ("created_at__year=2020", set()),
        ("q=lovely", {"pending"}),
        ("q=film+lovely", {"pending"}),
        ("q=FILM", {"pending", "confirmed"}),
        ("q=nothing", set()),
        ("q=%25", set()),
    ],
)
def test_each_filter_and_the_search_choose(
    query: str, expected: set[str], reviewer: Client
) -> None:
    predictions = {
        "pending": make_prediction("a lovely film", source="form"),
        "confirmed": make_prediction("one more film", truncated=True),
        "corrected": make_prediction("a meal", label="NEGATIVE", rating=2),
    }
    make_verdict(predictions["confirmed"])
    make_verdict(predictions["corrected"], rating=5)

    response = reviewer.get(f"{LIST}?{query}")

    assert shown(response) == {predictions[name].pk for name in expected}


def test_every_filter_is_offered(reviewer: Client) -> None:
    make_prediction(source="form", truncated=True)
    make_prediction(label="NEGATIVE", rating=2)

    response = reviewer.get(LIST)

    titles = [spec.title for spec in response.context["cl"].filter_specs]
    assert titles == ["review", "label", "rating", "source", "truncated", "language of the text"]


def test_a_filter_by_model_is_offered_where_several_have_answered(reviewer: Client) -> None:
    other = ModelVersion.objects.create(name="other", revision="1")
    mine, _ = make_prediction(model_version=other), make_prediction()

    assert shown(reviewer.get(f"{LIST}?model_version__id__exact={other.pk}")) == {mine.pk}


def test_the_search_finds_an_id_and_a_digest(reviewer: Client) -> None:
    wanted, _ = make_prediction("one"), make_prediction("two")

    for sought in (str(wanted.pk), str(wanted.pk).upper(), text_digest("one")):
        assert shown(reviewer.get(LIST, {"q": sought})) == {wanted.pk}


@pytest.mark.parametrize("query", ["q=%00", "q=%ED%A0%80", "p=99", "o=1.2", "rating=many", "e=1"])
def test_a_strange_query_is_no_server_error(query: str, reviewer: Client) -> None:
    make_prediction()

    assert reviewer.get(f"{LIST}?{query}").status_code in {200, 302}


def test_the_number_of_queries_does_not_grow_with_the_rows(reviewer: Client) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert reviewer.get(LIST).status_code == 200
        return len(captured)

    for _ in range(2):
        make_verdict(make_prediction())
        make_prediction()
    few = queries()
    for _ in range(20):
        make_verdict(make_prediction())
        make_prediction()

    assert queries() == few


def test_confirming_keeps_the_models_own_answer_as_the_verdict(
    reviewer: Client, admin_user: User
) -> None:
    prediction = make_prediction(label="NEGATIVE", rating=2)

    response = run_action(reviewer, "confirm", prediction)

    verdict = Verdict.objects.get(prediction=prediction)
    assert (verdict.label, verdict.rating) == ("NEGATIVE", 2)
    assert verdict.reviewer == admin_user
    assert "1 prediction confirmed" in response.content.decode()


def test_confirming_leaves_the_verdicts_that_are_there(reviewer: Client) -> None:
    reviewed, pending = make_prediction(), make_prediction()
    make_verdict(reviewed, rating=3)

    run_action(reviewer, "confirm", reviewed, pending)

    assert Verdict.objects.get(prediction=reviewed).rating == 3
    assert Verdict.objects.get(prediction=pending).rating == pending.rating


def test_purging_empties_the_chosen_texts_alone(reviewer: Client) -> None:
    chosen, other = make_prediction("chosen"), make_prediction("other")

    response = run_action(reviewer, "purge_texts", chosen)

    chosen.refresh_from_db()
    other.refresh_from_db()
    assert (chosen.text, other.text) == ("", "other")
    assert "1 text purged" in response.content.decode()


def test_deleting_asks_and_then_deletes(reviewer: Client) -> None:
    chosen, other = make_prediction(), make_prediction()
    make_verdict(chosen)

    assert "Are you sure" in run_action(reviewer, "delete_selected", chosen).content.decode()
    reviewer.post(
        LIST,
        {"action": "delete_selected", "_selected_action": [str(chosen.pk)], "post": "yes"},
    )

    assert list(Prediction.objects.all()) == [other]


def test_a_verdict_is_kept_with_its_reviewer(reviewer: Client, admin_user: User) -> None:
    prediction = make_prediction()

    response = reviewer.post(
        change_address(prediction),
        verdict_form(prediction, label="NEGATIVE", rating=3, note="Irony."),
    )

    verdict = Verdict.objects.get()
    assert response.status_code == 302
    assert verdict.reviewer == admin_user
    assert (verdict.label, verdict.rating, verdict.note) == ("NEGATIVE", 3, "Irony.")


def test_a_verdict_can_be_changed_by_another_reviewer(reviewer: Client, admin_user: User) -> None:
    prediction = make_prediction()
    make_verdict(prediction, reviewer=User.objects.create_user("first"))

    reviewer.post(change_address(prediction), verdict_form(prediction, label="POSITIVE", rating=10))

    verdict = Verdict.objects.get()
    assert (verdict.rating, verdict.reviewer) == (10, admin_user)


def test_a_verdict_can_be_taken_back(reviewer: Client) -> None:
    prediction = make_prediction()
    make_verdict(prediction)

    reviewer.post(
        change_address(prediction),
        verdict_form(prediction, label="POSITIVE", rating=9, DELETE="on"),
    )

    assert not Verdict.objects.exists()


@pytest.mark.parametrize("rating", ["0", "11", "many", ""])
def test_a_rating_out_of_range_is_an_error_of_the_field(rating: str, reviewer: Client) -> None:
    prediction = make_prediction()

    response = reviewer.post(
        change_address(prediction), verdict_form(prediction, label="NEGATIVE", rating=rating)
    )

    assert response.status_code == 200
    assert "rating" in response.context["inline_admin_formsets"][0].formset.errors[0]
    assert not Verdict.objects.exists()


def test_the_facts_of_a_prediction_cannot_be_changed(reviewer: Client) -> None:
    prediction = make_prediction()

    reviewer.post(
        change_address(prediction),
        verdict_form(prediction) | {"text": "forged", "label": "NEGATIVE", "rating": 1},
    )

    prediction.refresh_from_db()
    assert (prediction.text, prediction.label, prediction.rating) == ("A warm film.", "POSITIVE", 9)


def test_the_page_of_a_prediction_has_inputs_for_the_verdict_alone(reviewer: Client) -> None:
    prediction = make_prediction()

    page = reviewer.get(change_address(prediction)).content.decode()

    assert 'name="verdict-0-rating"' in page
    for fact in ("text", "label", "rating", "score", "source", "created_at"):
        assert f'name="{fact}"' not in page


@pytest.mark.parametrize("model", ["prediction", "modelversion"])
def test_nothing_is_added_by_hand(model: str, reviewer: Client) -> None:
    assert reviewer.get(f"/admin/classifier/{model}/add/").status_code == 403


def test_the_models_that_have_answered_are_listed_and_stay(reviewer: Client) -> None:
    version = make_prediction().model_version
    address = reverse("admin:classifier_modelversion_change", args=[version.pk])

    assert "0123456789ab" in reviewer.get("/admin/classifier/modelversion/?q=tiny").content.decode()
    assert reviewer.get(address).status_code == 200
    assert reviewer.post(address.replace("change", "delete")).status_code == 403


def test_who_may_only_look_has_no_actions(client: Client) -> None:
    looker = User.objects.create_user("looker", is_staff=True)
    looker.user_permissions.add(Permission.objects.get(codename="view_prediction"))
    client.force_login(looker)
    prediction = make_prediction()

    run_action(client, "confirm", prediction)
    run_action(client, "purge_texts", prediction)

    assert not Verdict.objects.exists()
    assert Prediction.objects.get().text == "A warm film."


def test_a_stranger_is_sent_to_the_login(client: Client) -> None:
    response = client.get(LIST)

    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_many_are_given_one_verdict(reviewer: Client, admin_user: User) -> None:
    first, second, other = make_prediction("a"), make_prediction("b"), make_prediction("c")
    make_verdict(first, rating=8)
    chosen = {"_selected_action": [str(first.pk), str(second.pk)], "action": "set_verdicts"}

    reviewer.post(LIST, {**chosen, "verdict_label": "", "verdict_rating": "2"})

    for prediction in (first, second):
        verdict = Verdict.objects.get(prediction=prediction)
        assert (verdict.label, verdict.rating, verdict.reviewer) == ("NEGATIVE", 2, admin_user)
        assert AuditEntry.objects.of(prediction).count() == 1
    assert not Verdict.objects.filter(prediction=other).exists()


@pytest.mark.parametrize(
    ("rating", "said"),
    [("", "Give one beside the action."), ("11", "No action selected."), ("x", "No action")],
)
def test_a_verdict_without_a_rating_is_refused(reviewer: Client, rating: str, said: str) -> None:
    prediction = make_prediction()
    sent = {"_selected_action": [str(prediction.pk)], "action": "set_verdicts"}

    answer = reviewer.post(LIST, {**sent, "verdict_rating": rating}, follow=True)

    assert said in answer.content.decode()
    assert not Verdict.objects.exists()


def test_a_purge_is_in_the_audit_log(reviewer: Client, admin_user: User) -> None:
    run_action(reviewer, "purge_texts", make_prediction("a"), make_prediction("b"))

    entry = AuditEntry.objects.get()
    assert (entry.action, entry.after, entry.actor) == ("texts purged", {"texts": 2}, admin_user)
    assert "texts purged" in reviewer.get("/admin/classifier/auditentry/").content.decode()
