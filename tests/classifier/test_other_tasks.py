"""Models whose labels are no sentiment, and models that read pairs, through each door."""

from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from pytest_django import Settings

from classifier.bulk.ratings import RowRating, Summary, ratings_from_bytes, ratings_to_bytes
from classifier.exceptions import ModelNotReady
from classifier.models import Feedback, ModelVersion, Prediction, Verdict, text_digest
from classifier.predictor import holder
from classifier.review.split import learnable
from classifier.task import Task, reads_pairs
from classifier.versions.activation import activate, register
from classifier.versions.gate import GateFailed
from tests.factories import make_prediction

pytestmark = pytest.mark.django_db

QUESTION, PASSAGE = "was it a good film", "it was a lovely evening and a superb film"


def post(client: Client, data: Any, status: int = 200) -> Any:
    response = client.post("/api/predict", data, content_type="application/json")
    assert response.status_code == status, response.content
    return response.json()


def test_whether_a_model_reads_pairs_stands_in_its_metrics() -> None:
    assert reads_pairs({"text_pair": True})
    assert reads_pairs({"config": {"data": {"text_pair_column": "passage"}}})
    assert not reads_pairs({"config": {"data": {"text_pair_column": ""}}})
    assert not reads_pairs({})


def test_a_task_is_rated_where_its_labels_are_the_sentiments() -> None:
    assert Task(("POSITIVE", "NEGATIVE")).rated
    assert not Task(("no", "yes")).rated


def test_all_labels_are_answered_and_no_rating(client: Client, moods_model: Path) -> None:
    answer = post(client, {"text": "a good film"})

    assert set(answer["probabilities"]) == {"anger", "joy", "calm"}
    assert sum(answer["probabilities"].values()) == pytest.approx(1)
    assert answer["score"] == answer["probabilities"][answer["label"]]
    assert answer["rating"] is answer["positive_probability"] is answer["rating_interval"] is None
    kept = Prediction.objects.get(pk=answer["id"])
    assert kept.probabilities == answer["probabilities"]
    assert kept.model_version.task == Task(("anger", "joy", "calm"))


def test_a_pair_is_read_as_a_pair(client: Client, pairs_model: Path) -> None:
    answer = post(client, {"text": QUESTION, "text_pair": PASSAGE})

    [said] = holder.get().classify([QUESTION], [PASSAGE])
    assert answer["probabilities"] == pytest.approx(said.probabilities)
    kept = Prediction.objects.get(pk=answer["id"])
    assert (kept.text, kept.text_pair) == (QUESTION, PASSAGE)
    assert kept.text_sha256 == text_digest(QUESTION, PASSAGE) != text_digest(QUESTION)
    assert kept.model_version.reads_pairs


def test_the_same_question_on_another_passage_is_another_answer(
    client: Client, pairs_model: Path
) -> None:
    answers = post(
        client,
        {"texts": [QUESTION, QUESTION], "text_pairs": [PASSAGE, "awful dull bore and cold plot"]},
    )["results"]

    assert answers[0]["probabilities"] != answers[1]["probabilities"]


@pytest.mark.parametrize(
    ("data", "code", "field"),
    [
        ({"text": "a"}, "text_pair_missing", "text_pair"),
        ({"texts": ["a", "b"]}, "text_pair_missing", "text_pairs"),
        ({"text": "a", "text_pair": " "}, "text_blank", "text_pair"),
        ({"text": "a", "text_pair": 1}, "text_type", "text_pair"),
        ({"text": "a", "text_pairs": ["b"]}, "text_pair_field", None),
        ({"texts": ["a", "b"], "text_pairs": ["b"]}, "text_pairs_list", None),
        ({"texts": ["a"], "text_pairs": "b"}, "text_pairs_list", None),
    ],
)
def test_second_texts_that_do_not_fit_are_refused(
    client: Client, pairs_model: Path, data: Any, code: str, field: str | None
) -> None:
    error = post(client, data, status=400)["error"]

    assert (error["code"], error["field"]) == (code, field)
    assert not Prediction.objects.exists()


def test_a_second_text_is_refused_by_a_model_of_one(client: Client, served_model: Path) -> None:
    error = post(client, {"text": "a", "text_pair": "b"}, status=400)["error"]

    assert (error["code"], error["field"]) == ("text_pair_unread", "text_pair")


def test_the_page_fits_the_labels(client: Client, moods_model: Path) -> None:
    form = client.get("/").content.decode()
    answer = client.post("/", {"text": "a good film"}, follow=True).content.decode()

    assert "What does the model say?" in form
    assert 'class="stars"' not in form + answer
    for label in ("anger", "joy", "calm"):
        assert f'<th scope="row">{label}</th>' in answer
    lines = {"text": "a good film\na bad film", "lines": "on"}
    assert "What the model says" in client.post("/", lines, follow=True).content.decode()


def test_the_page_asks_for_both_texts(client: Client, pairs_model: Path) -> None:
    assert 'name="text_pair"' in client.get("/").content.decode()

    alone = client.post("/", {"text": QUESTION})
    both = client.post("/", {"text": QUESTION, "text_pair": PASSAGE}, follow=True)

    assert alone.status_code == 400
    assert both.status_code == 200
    assert PASSAGE in both.content.decode()
    assert Prediction.objects.get().text_pair == PASSAGE


def test_two_texts_are_compared_by_label(client: Client, moods_model: Path) -> None:
    response = client.post(
        "/compare", {"first": "a good film", "second": "a good film"}, follow=True
    )

    assert "Both get the same label." in response.content.decode()


def test_feedback_names_a_label_of_the_model(client: Client, moods_model: Path) -> None:
    answer = post(client, {"text": "a good film"})
    url = f"/api/predictions/{answer['id']}/feedback"

    def say(said: Any) -> Any:
        return client.post(url, said, content_type="application/json")

    assert say({"label": "POSITIVE"}).json()["error"]["code"] == "label_unknown"
    assert say({"label": "calm", "rating": 3}).json()["error"]["code"] == "rating_senseless"
    assert say({"label": "calm"}).status_code == 200
    assert Feedback.objects.get().rating is None
    page = client.post(f"/predictions/{answer['id']}/feedback", {"label": "joy"})
    assert page.status_code == 302


def test_a_reviewer_chooses_among_the_labels_of_the_model(
    admin_client: Client, moods_model: Path
) -> None:
    prediction = Prediction.objects.get(pk=post(admin_client, {"text": "a good film"})["id"])
    Feedback.objects.create(
        prediction=prediction, visitor="x", label="calm", disagrees=True, source="api"
    )
    url = "/admin/classifier/prediction/review/"

    assert 'value="calm"' in admin_client.get(url).content.decode()
    admin_client.post(url, {"prediction": prediction.pk, "label": "POSITIVE"})
    assert not Verdict.objects.exists()
    admin_client.post(url, {"prediction": prediction.pk, "label": "calm"})

    assert (prediction.verdict.label, prediction.verdict.rating) == ("calm", None)
    assert Prediction.objects.corrected().exists() == (prediction.label != "calm")
    assert not learnable().exists()
    assert admin_client.get("/admin/classifier/prediction/").status_code == 200
    assert admin_client.get("/admin/").status_code == 200
    change = admin_client.get(f"/admin/classifier/prediction/{prediction.pk}/change/")
    assert change.status_code == 200


def test_sentiments_are_kept_with_their_rating_and_others_with_their_probabilities() -> None:
    with pytest.raises(IntegrityError):
        make_prediction(rating=None)


def test_others_are_kept_with_their_probabilities() -> None:
    with pytest.raises(IntegrityError):
        make_prediction(label="joy", rating=None, positive_probability=None)


def test_a_model_of_other_labels_is_activated_with_a_reason(
    served_model: Path, moods_model_dir: Path, settings: Settings, tmp_path: Path
) -> None:
    settings.MODELS_DIR = tmp_path
    holder.get()
    version = register(moods_model_dir)
    assert [set(said) for _, said in version.golden] == [{"anger", "joy", "calm"}] * 10

    with pytest.raises(GateFailed):
        activate(version, actor=None)
    activate(version, actor=None, reason="moods from now on")
    assert holder.follow()

    assert ModelVersion.objects.get(status="active") == version
    assert holder.get().task.labels == ("anger", "joy", "calm")


def test_files_are_rated_by_label(moods_model: Path) -> None:
    shares = {"anger": 0.25, "joy": 0.75}
    row = RowRating("joy", 0.75, None, None, None, 1, None, None, shares)
    summary = Summary()
    summary.add(1, row)

    assert ratings_from_bytes(ratings_to_bytes([row])) == [row]
    assert (summary.rated, summary.bad, summary.labels) == (1, 0, {"joy": 1})


def test_a_model_of_pairs_rates_no_files(pairs_model: Path) -> None:
    with pytest.raises(ModelNotReady) as refused:
        holder.get().require_single_texts()

    assert refused.value.code == "model_reads_pairs"
