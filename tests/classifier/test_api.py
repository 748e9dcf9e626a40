import uuid
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from classifier.api.predict import prediction_answer
from classifier.api.serializers import PredictionSerializer
from classifier.models import Prediction
from classifier.predictor import holder
from tests.factories import make_prediction

pytestmark = pytest.mark.django_db

FIELDS = [
    *("id", "label", "score", "positive_probability", "rating", "rating_interval"),
    *("probabilities", "model", "truncated", "language", "explanation"),
]
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"


def post(client: Client, data: Any, **headers: str) -> Any:
    response = client.post("/api/predict", data, content_type=JSON, headers=headers)
    assert response.status_code == 200, response.content
    return response.json()


def post_form(client: Client, body: str) -> Any:
    response = client.post("/api/predict", body, content_type=FORM)
    assert response.status_code == 200, response.content
    return response.json()


def test_a_text_is_answered_with_exactly_the_documented_fields(
    client: Client, served_model: Path
) -> None:
    answer = post(client, {"text": "a lovely film"})

    assert list(answer) == FIELDS


def test_the_answer_is_what_the_model_says(client: Client, served_model: Path) -> None:
    answer = post(client, {"text": " a lovely film\n"})

    predictor = holder.get()
    [said] = predictor.classify(["a lovely film"])
    assert uuid.UUID(answer.pop("id"))
    assert answer == {
        "label": "POSITIVE",
        "score": said.score,
        "positive_probability": said.positive_probability,
        "rating": said.rating,
        "rating_interval": None,
        "probabilities": {
            "NEGATIVE": 1 - said.sentiment.positive_probability,
            "POSITIVE": said.positive_probability,
        },
        "model": f"{predictor.name}@{predictor.revision}",
        "truncated": False,
        "language": "en",
        "explanation": None,
    }


def test_the_answer_is_in_the_database_under_its_id(client: Client, served_model: Path) -> None:
    answer = post(client, {"text": "a lovely film"})

    kept = Prediction.objects.get(pk=answer["id"])
    assert kept.text == "a lovely film"
    assert kept.source == "api"


def test_a_list_is_answered_with_results_in_its_order(client: Client, served_model: Path) -> None:
    answer = post(client, {"texts": ["superb joy", "awful bore", "superb joy"]})

    assert list(answer) == ["results"]
    assert [list(result) for result in answer["results"]] == [FIELDS] * 3
    assert [result["label"] for result in answer["results"]] == ["POSITIVE", "NEGATIVE", "POSITIVE"]


def test_a_list_of_one_is_still_a_list(client: Client, served_model: Path) -> None:
    assert len(post(client, {"texts": ["good"]})["results"]) == 1


@pytest.mark.parametrize("path", ["/api/predict", "/api/predict/"])
def test_the_address_answers_with_and_without_a_slash(
    path: str, client: Client, served_model: Path
) -> None:
    assert client.post(path, {"text": "good"}, content_type=JSON).status_code == 200


def test_a_form_with_a_text_is_answered_as_json_is(client: Client, served_model: Path) -> None:
    answer = post_form(client, "text=a+lovely+film+%F0%9F%98%80")

    assert list(answer) == FIELDS
    assert Prediction.objects.get().text == "a lovely film 😀"


def test_a_form_that_repeats_texts_is_a_list(client: Client, served_model: Path) -> None:
    answer = post_form(client, "texts=superb&texts=awful")

    assert [result["label"] for result in answer["results"]] == ["POSITIVE", "NEGATIVE"]


def test_a_form_with_one_texts_is_a_list_too(client: Client, served_model: Path) -> None:
    assert len(post_form(client, "texts=superb")["results"]) == 1


@pytest.mark.parametrize("charset", ["utf-8", "UTF-8", '"utf8"', "us-ascii"])
def test_a_body_that_is_named_utf_8_is_read(
    charset: str, client: Client, served_model: Path
) -> None:
    response = client.post(
        "/api/predict", {"text": "good"}, content_type=f"{JSON}; charset={charset}"
    )

    assert response.status_code == 200


def test_fields_that_mean_nothing_here_are_let_pass(client: Client, served_model: Path) -> None:
    assert list(post(client, {"text": "good", "language": "en", "weight": 1e300})) == FIELDS


def test_a_text_over_the_characters_read_is_answered_as_truncated(
    client: Client, served_model: Path, settings: Any
) -> None:
    settings.CLASSIFIER_READ_CHARS = 4

    assert post(client, {"text": "good evening"})["truncated"] is True


def test_a_text_of_exactly_the_limit_is_rated(
    client: Client, served_model: Path, settings: Any
) -> None:
    settings.CLASSIFIER_MAX_CHARS = 4

    assert post(client, {"text": "good"})["rating"] >= 6


def test_a_list_of_exactly_the_limit_is_rated(
    client: Client, served_model: Path, settings: Any
) -> None:
    limit = settings.CLASSIFIER_MAX_TEXTS

    assert len(post(client, {"texts": ["good"] * limit})["results"]) == limit


def test_no_cookie_and_no_token_is_needed(served_model: Path) -> None:
    client = Client(enforce_csrf_checks=True)

    assert list(post(client, {"text": "good"})) == FIELDS


@pytest.mark.parametrize(
    "text", ["😀", "\u200b", "好的電影", "\u202e drawkcab", "a\u0301" * 50, "<b>", "\x01", "\ufffe"]
)
def test_any_valid_unicode_is_rated(text: str, client: Client, served_model: Path) -> None:
    assert 1 <= post(client, {"text": text})["rating"] <= 10


@pytest.fixture(scope="module")
def schema() -> Any:
    response = Client().get("/api/schema", headers={"Accept": "application/vnd.oai.openapi+json"})
    assert response.status_code == 200
    return response.json()


def test_the_schema_has_every_address_of_the_api(schema: Any) -> None:
    assert list(schema["paths"]["/api/predict"]) == ["post"]
    assert set(schema["paths"]) == {
        *("/api/predict", "/api/bulk", "/api/bulk/{job_id}"),
        *("/api/bulk/{job_id}/cancel", "/api/bulk/{job_id}/result"),
        *("/api/predictions", "/api/predictions/{prediction_id}"),
        "/api/predictions/{prediction_id}/feedback",
        *("/api/errors", "/api/inference", "/predict"),
        *("/api/training-runs", "/api/training-runs/{run_id}"),
        *("/api/training-runs/{run_id}/cancel", "/api/training-runs/{run_id}/retry"),
        *("/label-studio/health", "/label-studio/setup"),
        *("/label-studio/predict", "/label-studio/webhook"),
    }


def test_the_schema_documents_both_encodings_and_both_fields(schema: Any) -> None:
    content = schema["paths"]["/api/predict"]["post"]["requestBody"]["content"]

    assert set(content) == {JSON, FORM}
    fields = schema["components"]["schemas"]["PredictRequest"]["properties"]
    assert fields["text"]["maxLength"] == 100_000
    assert (fields["texts"]["minItems"], fields["texts"]["maxItems"]) == (1, 64)


def test_the_schema_documents_both_answers(schema: Any) -> None:
    schemas = schema["components"]["schemas"]

    assert list(schemas["Prediction"]["properties"]) == FIELDS
    assert set(schemas["Prediction"]["required"]) == set(FIELDS)
    assert list(schemas["PredictionList"]["properties"]) == ["results"]
    assert [one["$ref"].split("/")[-1] for one in schemas["PredictResponse"]["oneOf"]] == [
        "Prediction",
        "PredictionList",
    ]


def test_the_schema_documents_every_error_in_the_one_shape(schema: Any) -> None:
    responses = schema["paths"]["/api/predict"]["post"]["responses"]

    assert set(responses) == {
        *("200", "400", "401", "403", "405", "406", "409", "413", "415", "422", "429", "503")
    }
    for status, response in responses.items():
        if status != "200":
            reference = response["content"][JSON]["schema"]["$ref"]
            assert reference == "#/components/schemas/Error"
    schemas = schema["components"]["schemas"]
    assert list(schemas["Error"]["properties"]) == ["error"]
    assert list(schemas["ErrorDetail"]["properties"]) == [
        "code",
        "field",
        "rule",
        "value",
        "remedy",
    ]


def test_the_answer_is_what_the_schema_describes() -> None:
    for prediction in (make_prediction(), make_prediction(rating_low=7, rating_high=10)):
        assert prediction_answer(prediction) == dict(PredictionSerializer(prediction).data)


def test_a_model_that_knows_intervals_gives_them(client: Client, starred_model: Path) -> None:
    one = post(client, {"text": "superb joy"})
    several = post(client, {"texts": ["superb joy", "awful bore"]})["results"]

    low, high = one["rating_interval"]
    assert 1 <= low <= one["rating"] <= high <= 10
    assert several[0]["rating_interval"] == [low, high]
    assert several[1]["rating_interval"] != [low, high]
    kept = Prediction.objects.get(pk=one["id"])
    assert (kept.rating_low, kept.rating, kept.rating_high) == (low, one["rating"], high)
    # By way of the framework, and of the answers that are remembered
    assert post_form(client, "text=superb+joy")["rating_interval"] == [low, high]


def test_an_answer_carries_the_headers_that_every_answer_carries(
    client: Client, served_model: Path
) -> None:
    answer = client.post("/api/predict", {"text": "good"}, content_type=JSON)
    page = client.get("/")

    for name in ("X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy"):
        assert answer.headers[name] == page.headers[name]
    assert answer.headers["Content-Length"] == str(len(answer.content))


def test_a_host_that_is_not_ours_gets_no_answer(client: Client, served_model: Path) -> None:
    answer = client.post(
        "/api/predict", {"text": "good"}, content_type=JSON, headers={"host": "elsewhere.example"}
    )

    assert answer.status_code == 400
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("accept", ["text/html,application/json;q=0.9", "application/*"])
def test_whatever_admits_json_gets_json(client: Client, served_model: Path, accept: str) -> None:
    answer = client.post(
        "/api/predict", {"text": "good"}, content_type=JSON, headers={"accept": accept}
    )

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
