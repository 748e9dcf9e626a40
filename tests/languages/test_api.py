"""Programs are told errors in the language that they accept; an answer is the same in each."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.utils import translation

from classifier.api.language import accepted_language
from classifier.models import Prediction

pytestmark = pytest.mark.django_db

JSON = "application/json"
BLANK_EN = "A text must have at least one character that is not white space."
BLANK_RU = "В тексте должен быть хотя бы один символ, кроме пробельных."


def post(client: Client, body: dict[str, Any], language: str | None = None) -> Any:
    headers = {"Accept-Language": language} if language else {}
    return client.post("/api/predict", body, content_type=JSON, headers=headers)


@pytest.mark.parametrize(
    ("accepts", "rule"),
    [
        (None, BLANK_EN),
        ("en", BLANK_EN),
        ("ru", BLANK_RU),
        ("ru-RU,ru;q=0.9,en;q=0.8", BLANK_RU),
        ("de, ru;q=0.5, en;q=0.1", BLANK_RU),
        ("de", BLANK_EN),
        ("*", BLANK_EN),
        ("no language at all", BLANK_EN),
    ],
)
def test_a_refusal_is_told_in_the_accepted_language(
    client: Client, served_model: Path, accepts: str | None, rule: str
) -> None:
    response = post(client, {"text": " "}, accepts)

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "text_blank"
    assert response.json()["error"]["rule"] == rule
    assert translation.get_language() == "en"


def test_a_missing_model_is_told_of_in_the_accepted_language(
    client: Client, no_model: Path
) -> None:
    english = post(client, {"text": "good"}).json()["error"]
    russian = post(client, {"text": "good"}, "ru").json()["error"]

    # One failure is remembered, and told to each in his own language.
    assert english["rule"] == "The model that CLASSIFIER_MODEL names must exist."
    assert russian["rule"] == "Модель, указанная в CLASSIFIER_MODEL, должна существовать."


def test_an_answer_is_the_same_in_every_language(client: Client, served_model: Path) -> None:
    english = post(client, {"text": "a lovely film"}).json()
    russian = post(client, {"text": "a lovely film"}, "ru").json()

    assert {**russian, "id": None} == {**english, "id": None}


def test_other_addresses_follow_the_same_header(client: Client, served_model: Path) -> None:
    refused = client.post("/api/bulk", {}, headers={"Accept-Language": "ru"})

    assert refused.json()["error"]["rule"] == "В запросе должен быть файл в поле file."


def test_the_language_is_found_without_a_cookie(rf: RequestFactory) -> None:
    request = rf.post("/api/predict", headers={"Accept-Language": "ru;q=0.3"})
    request.COOKIES = None  # type: ignore[assignment]  # whoever reads it fails

    assert accepted_language(request) == "ru"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("A joy from the first scene to the last.", "en"),
        ("Отличный фильм, всем советую посмотреть.", "ru"),
        ("ok", None),
    ],
)
def test_the_language_of_the_text_is_answered_and_kept(
    client: Client, served_model: Path, text: str, language: str | None
) -> None:
    [answered] = post(client, {"texts": [text]}).json()["results"]

    assert answered["language"] == language
    assert Prediction.objects.get(pk=answered["id"]).language == (language or "")
