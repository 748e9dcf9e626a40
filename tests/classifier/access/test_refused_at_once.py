"""POST /api/predict refuses without the framework just as PredictView does with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from classifier.api import admission, predict
from classifier.api.counters import Rate
from classifier.models import ApiKey, Scope
from reviewsite import middleware
from tests.classifier.access.conftest import JSON

pytestmark = pytest.mark.django_db

languages = pytest.mark.parametrize("language", ["en", "ru", "de"])


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two answers; for RateLimit-Reset would be another."""
    left = Rate(limit=10, remaining=4, reset=30, passes=True)
    monkeypatch.setattr(admission, "count_request", lambda **who: left)


@pytest.fixture
def told_twice(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Any]]:
    """Send a request twice: to be answered at once, and by the framework; both answers."""

    def send(body: str, **headers: str) -> tuple[Any, Any]:
        with monkeypatch.context() as patch:
            patch.setattr(middleware, "_full_answer", None)
            short = _post(body, headers)
        with monkeypatch.context() as patch:
            patch.setattr(predict, "plain_answer", lambda request: None)
            full = _post(body, headers)
        return short, full

    return send


def _post(body: str, headers: dict[str, str]) -> Any:
    headers = {"X-Request-ID": "the-same", **headers}  # else each would get one of its own
    return Client().post("/api/predict", body, content_type=JSON, headers=headers)


def assert_same(answers: tuple[Any, Any], status: int, code: str) -> None:
    short, full = answers
    assert short.status_code == full.status_code == status
    assert short.json()["error"]["code"] == code
    assert short.content == full.content
    assert dict(short.headers) == dict(full.headers)


GOOD = '{"text": "good"}'


@languages
def test_wrong_and_missing_keys(told_twice: Any, settings: Settings, language: str) -> None:
    accept = {"Accept-Language": language}
    wrong = told_twice(GOOD, Authorization="Bearer rs_another", **accept)
    foreign = told_twice(GOOD, Authorization="Bearer \u00e9", **accept)
    settings.API_KEYS = "required"
    missing = told_twice(GOOD, **accept)

    assert_same(wrong, 401, "key_unknown")
    assert_same(foreign, 401, "key_unknown")
    assert_same(missing, 401, "key_missing")
    for short, _ in (wrong, missing):
        assert short["WWW-Authenticate"] == 'Bearer realm="api"'
        assert short["RateLimit-Remaining"] == "4"
        assert short["Content-Language"] == ("ru" if language == "ru" else "en")
        assert short["Vary"] == "Accept-Language"


@languages
def test_a_key_that_opens_something_else(told_twice: Any, language: str) -> None:
    key = ApiKey.objects.issue("a reader", scopes=[Scope.READ])[1]

    answers = told_twice(GOOD, Authorization=f"Bearer {key}", **{"Accept-Language": language})

    assert_same(answers, 403, "key_scope")


@languages
def test_one_request_too_many(
    told_twice: Any, monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    over = Rate(limit=10, remaining=0, reset=30, passes=False)
    monkeypatch.setattr(admission, "count_request", lambda **who: over)

    answers = told_twice(GOOD, **{"Accept-Language": language})

    assert_same(answers, 429, "rate_exceeded")
    assert answers[0]["Retry-After"] == "30"
    assert answers[0]["RateLimit-Policy"] == "10;w=60"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{}", 400, "text_missing"),
        ('{"text": " "}', 400, "text_blank"),
        ('{"texts": []}', 400, "texts_list"),
        ('{"text": "a", "explain_method": "\u2028"}', 400, "explain_method"),
        ('{"text": "a", "text_pair": "b"}', 400, "text_pair_unread"),
        ("[1]", 400, "not_an_object"),
        ('{"text": "' + "a" * 5_000_000 + '"}', 413, "body_too_large"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_body_that_asks_for_no_rating(
    told_twice: Any, served_model: Path, body: str, status: int, code: str
) -> None:
    assert_same(told_twice(body), status, code)


def test_no_model(told_twice: Any, no_model: Path) -> None:
    answers = told_twice(GOOD)

    assert_same(answers, 503, "model_missing")
    assert answers[0]["Retry-After"]
