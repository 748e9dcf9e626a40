"""Programs are told errors in the language that they accept; an answer is the same in each."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.utils import translation
from pytest_django import Settings

from classifier.api.catalogue import catalogue
from classifier.api.keys import keys
from classifier.api.language import accepted_language
from classifier.api.limits import waiting
from classifier.messages import message, told
from classifier.models import ApiKey, Prediction, Scope

pytestmark = pytest.mark.django_db

JSON = "application/json"
BLANK_EN = "A text must have at least one character that is not white space."
BLANK_RU = "В тексте должен быть хотя бы один символ, кроме пробельных."
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
SECRET = "a secret that guards nothing"
NOBODY = "00000000-0000-0000-0000-000000000000"
CONFIG = '<View><Text name="t" value="$text"/></View>'
STUDIO = {"Authorization": f"Token {SECRET}"}


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


def test_each_error_of_the_catalogue_is_told_in_russian(client: Client) -> None:
    english = client.get("/api/errors").json()["errors"]
    russian = client.get("/api/errors", headers={"Accept-Language": "ru"}).json()["errors"]

    assert [one["code"] for one in russian] == [one["code"] for one in english]
    assert len(russian) == len(catalogue()) > 100
    for entry, source in zip(russian, english, strict=True):
        for name in ("rule", "remedy"):
            assert len(entry[name]) == len(source[name])
            for said, plain in zip(entry[name], source[name], strict=True):
                assert CYRILLIC.search(said), (entry["code"], plain)
                assert not CYRILLIC.search(plain), (entry["code"], plain)
                assert not re.search(r"%\(|\{\w+[:!]", said + plain), (entry["code"], said)


REQUESTS: dict[str, tuple[int, str, str, dict[str, Any]]] = {
    "a wrong key": (401, "POST", "/api/predict", {"key": "rs_another"}),
    "no key of ours": (401, "POST", "/api/predict", {"key": "another"}),
    "a key for something else": (403, "POST", "/api/predict", {"scope": Scope.READ}),
    "no key for what needs one": (401, "GET", "/api/predictions", {}),
    "no JSON": (400, "POST", "/api/predict", {"body": "{"}),
    "NaN": (400, "POST", "/api/predict", {"body": '{"text": NaN}'}),
    "no object": (400, "POST", "/api/predict", {"body": []}),
    "no text": (400, "POST", "/api/predict", {"body": {}}),
    "both": (400, "POST", "/api/predict", {"body": {"text": "a", "texts": ["b"]}}),
    "a text that is none": (400, "POST", "/api/predict", {"body": {"text": 5}}),
    "no list": (400, "POST", "/api/predict", {"body": {"texts": "a"}}),
    "no texts": (400, "POST", "/api/predict", {"body": {"texts": []}}),
    "a strange pair": (400, "POST", "/api/predict", {"body": {"text": "a", "text_pairs": ["b"]}}),
    "few pairs": (400, "POST", "/api/predict", {"body": {"texts": ["a"], "text_pairs": []}}),
    "a pair": (400, "POST", "/api/predict", {"body": {"text": "a", "text_pair": "b"}}),
    "explain": (400, "POST", "/api/predict", {"body": {"text": "a", "explain": 1}}),
    "explain so": (400, "POST", "/api/predict", {"body": {"text": "a", "explain_method": "b"}}),
    "explain many": (400, "POST", "/api/predict", {"body": {"texts": ["a"] * 64, "explain": True}}),
    "another method": (405, "GET", "/api/predict", {}),
    "another type": (415, "POST", "/api/predict", {"type": "text/plain"}),
    "a packed body": (415, "POST", "/api/predict", {"Content-Encoding": "gzip"}),
    "another answer": (406, "POST", "/api/predict", {"Accept": "image/png"}),
    "a key that is none": (400, "POST", "/api/predict", {"Idempotency-Key": "a" * 256}),
    "no file": (400, "POST", "/api/bulk", {"type": "multipart/form-data; boundary=b"}),
    "no form": (415, "POST", "/api/bulk", {}),
    "no job": (404, "GET", f"/api/bulk/{NOBODY}", {}),
    "unclear feedback": (400, "POST", "/api/predictions/{kept}/feedback", {"body": {"right": 1}}),
    "a label": (400, "POST", "/api/predictions/{kept}/feedback", {"body": {"label": "so so"}}),
    "no prediction": (404, "POST", f"/api/predictions/{NOBODY}/feedback", {"body": {}}),
    "a filter": (400, "GET", "/api/predictions?colour=red", {"scope": Scope.READ}),
    "a source": (400, "GET", "/api/predictions?source=red", {"scope": Scope.READ}),
    "ratings": (400, "GET", "/api/predictions?rating_min=1&rating_min=2", {"scope": Scope.READ}),
    "a page": (400, "GET", "/api/predictions?limit=0", {"scope": Scope.READ}),
    "no page": (404, "GET", "/api/predictions?cursor=none", {"scope": Scope.READ}),
    "no config": (400, "POST", "/label-studio/setup", {"body": {"schema": ""}, **STUDIO}),
    "no choices": (400, "POST", "/label-studio/setup", {"body": {"schema": CONFIG}, **STUDIO}),
    "no event": (400, "POST", "/label-studio/webhook", {"body": {}, **STUDIO}),
    "no secret": (401, "POST", "/label-studio/setup", {"body": {}}),
    "another secret": (401, "GET", "/label-studio/health", {"Authorization": "Token b"}),
    "no user": (401, "GET", "/api/training-runs", {}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_each_refusal_is_told_in_russian(
    name: str, client: Client, served_model: Path, settings: Settings
) -> None:
    settings.LABEL_STUDIO_SECRET = SECRET
    status, method, path, more = REQUESTS[name]
    kept = post(client, {"text": "a lovely film"}).json()["id"]
    given = dict(more)
    body, kind = given.pop("body", {"text": "a"}), given.pop("type", JSON)
    if scope := given.pop("scope", ""):
        given["key"] = ApiKey.objects.issue("a program", scopes=[scope])[1]
    if key := given.pop("key", ""):
        given["Authorization"] = f"Bearer {key}"

    def error(language: str) -> dict[str, Any]:
        response = client.generic(
            method,
            path.format(kept=kept),
            body if isinstance(body, str) else json.dumps(body),
            content_type=kind,
            headers=given | {"Accept-Language": language},
        )
        assert response.status_code == status, response.content
        assert response["Content-Language"] == language
        found: dict[str, Any] = response.json()["error"]
        return found

    english, russian = error("en"), error("ru")

    assert english["code"] == russian["code"]
    for part in ("rule", "remedy"):
        assert CYRILLIC.search(russian[part]), russian[part]
        assert not CYRILLIC.search(english[part]), english[part]


def test_a_request_too_many_is_told_in_russian(client: Client, settings: Settings) -> None:
    settings.RATE_LIMIT = 1
    waiting.clear()
    keys.clear()

    for path in ("/api/predict", "/predict"):
        client.post(path, {}, content_type=JSON)
        refused = client.post(path, {}, content_type=JSON, headers={"Accept-Language": "ru"})
        assert refused.status_code == 429
        assert "С одним ключом, а без ключа с одного адреса, можно" in refused.content.decode()
    waiting.clear()


@pytest.mark.parametrize(
    ("path", "data", "russian"),
    [
        ("/api/inference", {"inputs": "a", "parameters": {"colour": 1}}, "Параметры — top_k"),
        ("/api/inference", {"inputs": "a", "parameters": {"top_k": 0}}, "top_k — целое число"),
        ("/api/inference", {}, "Найдено: нет. Отправьте"),
        ("/predict", {"inputs": ["a", "b"]}, "Работающая модель читает один текст."),
        ("/predict", {"inputs": [["a"], "b"]}, "В списке либо один текст, либо два"),
        ("/predict", {"inputs": "a", "raw_scores": 1}, "raw_scores — это true или false."),
        ("/predict", {"inputs": 5}, "число"),
    ],
)
def test_the_forms_of_others_are_told_in_russian(
    client: Client, served_model: Path, path: str, data: Any, russian: str
) -> None:
    refused = client.post(path, data, content_type=JSON, headers={"Accept-Language": "ru"})

    assert refused.status_code >= 400
    assert russian in refused.json()["error"]


def test_a_message_without_values_keeps_its_braces_in_each_language() -> None:
    send = message('Send {"text": "..."}.')

    with translation.override("ru"):
        assert told(send) == 'Отправьте {"text": "..."}.'
    assert send == 'Send {"text": "..."}.'
