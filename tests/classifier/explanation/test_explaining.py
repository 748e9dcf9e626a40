from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from classifier.exceptions import ExplanationUnavailable, ModelNotReady
from classifier.explanation import explaining
from classifier.explanation.explaining import explain
from classifier.models import ModelVersion, Prediction
from classifier.predictor import Predictor, holder
from classifier.texts import clean_review_text
from classifier.views.explanation import AT_ONCE_CHARS
from tests.factories import make_prediction

pytestmark = pytest.mark.django_db

TEXT = "a good film . the plot , a dull bore . lovely !"
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    explaining.forget()
    yield
    explaining.forget()


def predict(client: Client, data: Any, status: int = 200, **options: Any) -> Any:
    answer = client.post("/api/predict", data, **{"content_type": JSON, **options})
    assert answer.status_code == status, answer.content
    return answer.json()


def test_an_explanation_names_model_and_method(served_model: Path) -> None:
    [said] = holder.get().classify([TEXT])

    found = explain(TEXT)

    assert found.base == said.positive_probability
    assert found.model == f"{holder.get().name}@{holder.get().revision}"
    assert found.method == "occlusion"
    assert len(found.contributions.sentences) == 3


def test_the_same_question_is_read_once(
    served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = explain(TEXT)
    monkeypatch.setattr(Predictor, "classify", None)

    assert explain(TEXT) is first


def test_only_the_latest_explanations_are_remembered(
    served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explaining, "REMEMBERED", 2)
    first, second = explain("a good film"), explain("a dull film")
    explain("a good film")
    explain("a lovely film")

    assert explain("a good film") is first
    assert explain("a dull film") is not second


def test_what_the_model_does_not_read_has_no_part_in_it(served_model: Path, settings: Any) -> None:
    settings.CLASSIFIER_READ_CHARS = len("a good film .")

    assert explain("a good film . a dull bore .") is explain("a good film . a lovely plot .")


def test_a_method_that_is_not_known_is_refused(served_model: Path) -> None:
    with pytest.raises(ExplanationUnavailable, match="one of occlusion, gradients"):
        explain(TEXT, method="tea leaves")


def test_the_api_explains_when_it_is_asked(client: Client, served_model: Path) -> None:
    text = f" \U0001f600\r\n{TEXT}"
    plain = predict(client, {"text": text})
    answer = predict(client, {"text": text, "explain": True})

    assert plain["explanation"] is None
    explanation = answer["explanation"]
    assert explanation["base"] == answer["positive_probability"]
    assert explanation["model"] == answer["model"]
    assert explanation["sentence_count"] == len(explanation["sentences"]) == 4
    # Characters of what was sent, with the white space before it
    named = [text[one["start"] : one["end"]] for one in explanation["sentences"]]
    assert named == ["\U0001f600", "a good film .", "the plot , a dull bore .", "lovely !"]
    cleaned = clean_review_text(text)
    [without] = holder.get().classify([cleaned.replace("a good film . ", "")])
    assert explanation["sentences"][1]["contribution"] == pytest.approx(
        explanation["base"] - without.positive_probability, abs=1e-6
    )
    assert all(text[one["start"] : one["end"]].strip() for one in explanation["words"])


def test_lists_and_forms_are_explained_alike(client: Client, served_model: Path) -> None:
    one = predict(client, {"text": TEXT, "explain": True})["explanation"]

    several = predict(client, {"texts": [TEXT, "a dull film"], "explain": True})["results"]
    form = predict(client, f"text={TEXT.replace(' ', '+')}&explain=true", content_type=FORM)

    assert several[0]["explanation"] == form["explanation"] == one
    assert several[1]["explanation"]["words"]
    assert predict(client, "text=good&explain=false", content_type=FORM)["explanation"] is None


@pytest.mark.parametrize(
    ("extra", "field", "code"),
    [
        ({"explain": 1}, "explain", "explain_type"),
        ({"explain": "yes"}, "explain", "explain_type"),
        ({"explain": None}, "explain", "explain_type"),
        ({"explain": True, "explain_method": "tea"}, "explain_method", "explain_method"),
        ({"explain": True, "explain_method": []}, "explain_method", "explain_method"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_nothing_kept(
    extra: dict[str, Any], field: str, code: str, client: Client, served_model: Path
) -> None:
    error = predict(client, {"text": "good"} | extra, status=400)["error"]

    assert (error["field"], error["code"]) == (field, code)
    assert not Prediction.objects.exists()


def test_one_request_may_ask_for_so_many_explanations(
    client: Client, served_model: Path, settings: Any
) -> None:
    settings.CLASSIFIER_MAX_TEXTS, settings.CLASSIFIER_EXPLAIN_COST = 12, 6
    texts = ["good", "dull", "warm"]

    error = predict(client, {"texts": texts, "explain": True}, status=400)["error"]

    assert error["code"] == "explain_many"
    assert "2 explanations" in error["rule"]
    assert len(predict(client, {"texts": texts[:2], "explain": True})["results"]) == 2
    assert len(predict(client, {"texts": texts})["results"]) == 3


@pytest.mark.parametrize("accept", ["application/json", "application/*"])
def test_gradients_of_a_graph_are_refused_by_both_doors(
    accept: str, client: Client, exported_model_dir: Path, settings: Any
) -> None:
    settings.CLASSIFIER_MODEL = str(exported_model_dir)
    holder.reset()
    asked = {"text": "good", "explain": True, "explain_method": "gradients"}

    error = predict(client, asked, status=400, headers={"accept": accept})["error"]

    holder.reset()
    assert (error["field"], error["code"]) == ("explain_method", "no_gradients")
    assert not Prediction.objects.exists()


def test_the_torch_engine_explains_by_gradients(client: Client, served_model: Path) -> None:
    asked = {"text": TEXT, "explain": True, "explain_method": "gradients"}

    explanation = predict(client, asked)["explanation"]

    assert explanation["method"] == "gradients"
    assert len(explanation["sentences"]) == 3
    assert (
        explanation["words"]
        != predict(client, asked | {"explain_method": "occlusion"})["explanation"]["words"]
    )


def test_without_a_model_the_api_says_so(client: Client, no_model: Path) -> None:
    answer = predict(client, {"text": "good", "explain": True}, status=503)

    assert answer["error"]["code"] == "model_missing"


def test_the_schema_describes_explanations(client: Client) -> None:
    schemas = client.get(
        "/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"}
    ).json()["components"]["schemas"]

    assert "explain" in schemas["PredictRequest"]["properties"]
    assert set(schemas["Contribution"]["properties"]) == {"start", "end", "contribution"}
    assert "explanation" in schemas["Prediction"]["required"]


def page(client: Client, prediction: Prediction, *, part: bool = True, status: int = 200) -> str:
    headers = {"HX-Request": "true"} if part else {}
    answer = client.get(f"/predictions/{prediction.pk}/explanation", headers=headers)
    assert answer.status_code == status
    assert "HX-Request" in answer["Vary"]
    return str(answer.content.decode())


def served_prediction(text: str, **values: Any) -> Prediction:
    version, _ = ModelVersion.objects.get_or_create(
        name=holder.get().name, revision=holder.get().revision
    )
    return make_prediction(text, model_version=version, **values)


def test_the_page_marks_sentences_and_words(client: Client, served_model: Path) -> None:
    shown = page(client, served_prediction(TEXT))

    assert '<mark class="explanation-sentence explanation-positive explanation-3">' in shown
    assert '<span class="explanation-amount">+0.9' in shown
    assert "<html" not in shown
    assert "explanation-note" not in shown
    assert shown.count("<tr><td") == 3 + len(explain(TEXT).contributions.words)


def test_without_htmx_it_is_a_page_of_its_own(client: Client, served_model: Path) -> None:
    prediction = served_prediction(TEXT)
    shown = page(client, prediction, part=False)

    assert "<html" in shown
    assert "<mark" in shown
    assert f'href="/predictions/{prediction.pk}"' in shown


def test_a_short_review_is_explained_on_its_page_and_a_long_one_after_it(
    client: Client, served_model: Path
) -> None:
    pages = {}
    for text in (TEXT, " ".join([TEXT] * AT_ONCE_CHARS)[: AT_ONCE_CHARS + 1]):
        prediction = served_prediction(text)
        pages[len(text) > AT_ONCE_CHARS] = (
            client.get(f"/predictions/{prediction.pk}").content.decode(),
            f'href="/predictions/{prediction.pk}/explanation"',
        )

    shown, link = pages[False]
    assert "<mark" in shown
    assert link not in shown
    shown, link = pages[True]
    assert "<mark" not in shown
    assert link in shown


def test_a_page_shows_its_rating_where_no_model_can_say_why(client: Client, no_model: Path) -> None:
    prediction = make_prediction(text=TEXT)
    shown = client.get(f"/predictions/{prediction.pk}")
    assert shown.status_code == 200
    assert f'href="/predictions/{prediction.pk}/explanation"' in shown.content.decode()


def test_markup_in_a_review_stays_text(client: Client, served_model: Path) -> None:
    shown = page(
        client,
        served_prediction("<script>alert('a')</script> good <b>dull</b>. <i>\"warm\"</i> & bad."),
    )

    for tag in ("<script", "<b>", "<i>"):
        assert tag not in shown
    assert "&lt;" in shown


def test_what_is_gone_or_was_not_read_is_said(
    client: Client, served_model: Path, settings: Any
) -> None:
    settings.CLASSIFIER_READ_CHARS = 13
    cut = served_prediction(TEXT, truncated=True)
    gone = served_prediction("good")
    Prediction.objects.filter(pk=gone.pk).update(text="")

    assert "Only the first 13 characters were read" in page(client, cut)
    assert "nothing is left to explain" in page(client, gone)
    assert "a single word" in page(client, served_prediction("good"))


def test_another_model_than_the_one_that_rated_is_named(client: Client, served_model: Path) -> None:
    shown = page(client, make_prediction(TEXT))

    assert f"{holder.get().name}@{holder.get().revision}" in shown
    assert "The rating is from tiny@0123456789ab" in shown


def test_without_a_model_the_page_says_so(client: Client, no_model: Path) -> None:
    prediction = make_prediction(TEXT)

    assert "No model can answer now" in page(client, prediction, status=503)
    assert "No model can answer now" in page(client, prediction, part=False, status=503)


def test_a_prediction_that_is_not_there_has_no_explanation(client: Client) -> None:
    missing = "00000000-0000-4000-8000-000000000000"

    assert client.get(f"/predictions/{missing}/explanation").status_code == 404
    assert client.post(f"/predictions/{missing}/explanation").status_code == 405


def test_a_broken_model_keeps_nothing(
    client: Client, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: Any) -> None:
        raise ModelNotReady(code="model_broken", rule="r", value="v", remedy="m")

    monkeypatch.setattr(Predictor, "classify", broken)

    assert predict(client, {"text": TEXT, "explain": True}, status=503)["error"]["code"] == (
        "model_broken"
    )
    assert not Prediction.objects.exists()
