"""Every bad request is answered with a 4xx in the one documented shape, and never with a 500."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from classifier.models import Prediction
from classifier.predictor import RETRY_SECONDS

pytestmark = pytest.mark.django_db

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
FIELDS = {"id", "label", "score", "positive_probability", "model", "truncated", "language"} | {
    "rating",
    "rating_interval",
    "probabilities",
    "explanation",
}

any_text = st.text(st.characters(exclude_categories=[]), max_size=60)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(any_text, inner, max_size=4),
    max_leaves=8,
)
any_request = any_json | st.dictionaries(st.sampled_from(["text", "texts", "other"]), any_json)
# Each example is a request to the same site: nothing in a fixture has to be made anew for it.
fuzzed = hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def send(
    client: Client,
    body: bytes | str,
    *,
    content_type: str = JSON,
    method: str = "POST",
    **more: Any,
) -> Any:
    return client.generic(method, "/api/predict", body, content_type=content_type, **more)


def error_of(response: Any) -> dict[str, Any]:
    """The error in a response, once its shape is what the schema says."""
    assert 400 <= response.status_code < 500 or response.status_code == 503
    assert response["Content-Type"] == JSON
    answer = response.json()
    assert list(answer) == ["error"]
    error: dict[str, Any] = answer["error"]
    assert list(error) == ["code", "field", "rule", "value", "remedy"]
    assert all(isinstance(error[name], str) for name in ("code", "rule", "value", "remedy"))
    assert all(error[name] for name in ("code", "rule", "value", "remedy"))
    assert error["field"] is None or isinstance(error["field"], str)
    return error


def assert_documented(response: Any) -> None:
    """The response is a rating, a list of them or an error, each in its documented shape."""
    if response.status_code != 200:
        error_of(response)
        return
    answer = response.json()
    for result in answer.get("results", [answer]):
        assert set(result) == FIELDS


@pytest.mark.parametrize(
    ("text", "code", "value"),
    [
        ('""', "text_blank", "an empty text"),
        ('" \\n\\t\\u2003"', "text_blank", "white space alone (4)"),
        ("null", "text_type", "null"),
        ("5", "text_type", "a number"),
        ("-0.0", "text_type", "a number"),
        ("1e400", "text_type", "a number"),
        ("9" * 4000, "text_type", "a number"),
        ('["good"]', "text_type", "a list"),
        ('{"good": 1}', "text_type", "an object"),
        ("true", "text_type", "a boolean"),
        ('"good\\u0000"', "text_nul", "NUL at position 4"),
        ('"\\ud800"', "text_surrogate", "U+D800 at position 0"),
        ('"good \\udc00\\ud800"', "text_surrogate", "U+DC00 at position 5"),
        ('"' + "a" * 100_001 + '"', "text_too_long", "100,001 characters"),
    ],
    ids=lambda given: given[:24],
)
@pytest.mark.parametrize(
    ("body", "field"),
    [('{"text": %s}', "text"), ('{"texts": ["good", %s]}', "texts[1]")],
    ids=["text", "texts"],
)
def test_a_text_that_cannot_be_rated_is_refused_by_its_field(
    body: str, field: str, text: str, code: str, value: str, client: Client
) -> None:
    response = send(client, body % text)

    error = error_of(response)
    assert response.status_code == 400
    assert (error["code"], error["field"], error["value"]) == (code, field, value)


@pytest.mark.parametrize(
    ("body", "code", "value"),
    [
        ("{}", "text_missing", "neither"),
        ('{"review": "good"}', "text_missing", "neither"),
        ('{"TEXT": "good"}', "text_missing", "neither"),
        ('{"text": "good", "texts": ["bad"]}', "text_missing", "both"),
        ('{"texts": []}', "texts_list", "0 texts"),
        ('{"texts": "good"}', "texts_list", "a string"),
        ('{"texts": null}', "texts_list", "null"),
        ('{"texts": {"0": "good"}}', "texts_list", "an object"),
        (json.dumps({"texts": ["good"] * 65}), "texts_list", "65 texts"),
        ('["good"]', "not_an_object", "a list"),
        ("[]", "not_an_object", "a list"),
        ("5", "not_an_object", "a number"),
        ('"good"', "not_an_object", "a string"),
        ("null", "not_an_object", "null"),
        ("true", "not_an_object", "a boolean"),
        ("", "text_missing", "neither"),
        ("  ", "parse_error", "Expecting value"),
        ('{"text": "good"', "parse_error", "Expecting ','"),
        ('{"text": "good"} {"text": "bad"}', "parse_error", "Extra data"),
        ("{'text': 'good'}", "parse_error", "Expecting property name"),
        ('{"text": "good",}', "parse_error", ""),
        ('{"text": "a\nb"}', "parse_error", "Invalid control character"),
        ('{"text": NaN}', "parse_error", "NaN is not JSON"),
        ('{"text": "good", "weight": Infinity}', "parse_error", "Infinity is not JSON"),
        ('{"text": -Infinity}', "parse_error", "-Infinity is not JSON"),
        ('{"text": "good", "text": "bad"}', "parse_error", "'text' stands twice"),
        ('{"text": "good", "": 1, "": 2}', "parse_error", "'' stands twice"),
        ('{"text": "good", "a": {"\\ud800": 1, "\\ud800": 2}}', "parse_error", "stands twice"),
        ('{"text": ' + "9" * 5000 + "}", "parse_error", "4300 digits"),
        ("[" * 100_000 + "]" * 100_000, "json_too_deep", "100000 levels"),
        ('{"text":' * 100_000 + "1" + "}" * 100_000, "json_too_deep", "100000 levels"),
        ("[" * 100_000, "json_too_deep", "100000 levels"),
        ('{"text": ' + "[" * 32 + "]" * 32 + "}", "json_too_deep", "33 levels"),
    ],
    ids=lambda given: given[:32],
)
def test_a_body_that_asks_for_no_rating_is_refused(
    body: str, code: str, value: str, client: Client
) -> None:
    response = send(client, body)

    error = error_of(response)
    assert response.status_code == 400
    assert error["code"] == code
    assert value in error["value"]
    assert error["field"] is None


@pytest.mark.parametrize(
    "body",
    [
        b'{"text": "\xff"}',
        b'{"text": "\xed\xa0\x80"}',
        b'{"text": "caf\xe9"}',
        '{"text": "good"}'.encode("utf-16"),
        b"\x00\x01\x02",
        b"\x1f\x8b\x08",
    ],
)
def test_a_body_that_is_not_utf_8_is_refused(body: bytes, client: Client) -> None:
    response = send(client, body)

    assert response.status_code == 400
    assert error_of(response)["code"] == "parse_error"


def test_a_body_of_many_keys_is_refused_or_answered_at_once(client: Client) -> None:
    keys = {f"key {number}": number for number in range(150_000)}

    response = send(client, json.dumps(keys))

    assert error_of(response)["code"] == "text_missing"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "text_missing"),
        ("review=good", "text_missing"),
        ("text=", "text_blank"),
        ("text=+%0A", "text_blank"),
        ("text=good%00", "text_nul"),
        ("text=good&text=bad", "text_type"),
        ("text=good&texts=bad", "text_missing"),
        ("texts=good&texts=", "text_blank"),
        ("texts=good&" * 65, "texts_list"),
        ("text=%ED%A0%80", "parse_error"),
        ("text=%FF", "parse_error"),
        ("text=caf%E9", "parse_error"),
        ("&".join(f"field{number}=1" for number in range(1001)), "too_many_fields"),
    ],
    ids=lambda given: given[:24],
)
def test_a_bad_form_is_refused(body: str, code: str, client: Client) -> None:
    response = send(client, body, content_type=FORM)

    assert response.status_code == 400
    assert error_of(response)["code"] == code


@pytest.mark.parametrize("content_type", [JSON, FORM])
def test_a_body_over_the_sites_limit_is_refused(content_type: str, client: Client) -> None:
    response = send(client, "text=" + "a" * 4 * 1024 * 1024, content_type=content_type)

    error = error_of(response)
    assert response.status_code == 413
    assert error["code"] == "body_too_large"
    assert "4,194,304 bytes" in error["rule"]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "text/html",
        "multipart/form-data; boundary=x",
        "application/xml",
        "json",
        "/",
        ";",
        "",
        "application/json, text/plain",
        "\xff/\xff",
    ],
)
def test_another_content_type_is_refused(content_type: str, client: Client) -> None:
    response = send(client, '{"text": "good"}', content_type=content_type)

    error = error_of(response)
    assert response.status_code == 415
    assert error["code"] == "unsupported_media_type"
    assert "application/json" in error["remedy"]


@pytest.mark.parametrize("media_type", [JSON, FORM])
@pytest.mark.parametrize(
    "charset",
    ["utf-16", "utf-7", "latin-1", "base64", "rot13", "idna", "punycode", "undefined", "no such"],
)
def test_another_charset_is_refused_and_not_misread(
    media_type: str, charset: str, client: Client
) -> None:
    body = "text=good" if media_type == FORM else '{"text": "good"}'

    response = send(client, body, content_type=f'{media_type}; charset="{charset}"')

    assert response.status_code == 415
    assert error_of(response)["code"] == "unsupported_media_type"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "REVIEW"])
def test_another_method_is_refused_with_those_that_are_allowed(method: str, client: Client) -> None:
    response = send(client, "", method=method)

    assert response.status_code == 405
    assert "POST" in response["Allow"]
    assert error_of(response)["remedy"] == "Use POST to rate a text."


@pytest.mark.parametrize("accept", ["text/html", "image/png", "application/xml;q=1", "", "/"])
def test_an_answer_that_is_not_json_cannot_be_had(accept: str, client: Client) -> None:
    response = send(client, '{"text": "good"}', headers={"Accept": accept})

    assert response.status_code == 406
    assert error_of(response)["code"] == "not_acceptable"


def test_a_format_in_the_address_changes_nothing(client: Client, served_model: Path) -> None:
    response = client.post("/api/predict?format=xml", {"text": "good"}, content_type=JSON)

    assert response.status_code == 200


def test_an_error_never_repeats_the_review(client: Client) -> None:
    response = send(client, '{"text": "my secret opinion\\u0000"}')

    assert "secret" not in response.content.decode()


def test_one_bad_text_of_a_list_keeps_nothing(client: Client, served_model: Path) -> None:
    send(client, '{"texts": ["good", ""]}')

    assert not Prediction.objects.exists()


def test_without_a_model_the_answer_is_503_with_the_remedy_and_when_to_come_back(
    client: Client, no_model: Path
) -> None:
    response = send(client, '{"text": "good"}')

    error = error_of(response)
    assert response.status_code == 503
    assert response["Retry-After"] == str(int(RETRY_SECONDS))
    assert error["code"] == "model_missing"
    assert "CLASSIFIER_MODEL" in error["remedy"]
    assert not Prediction.objects.exists()


def test_without_a_model_a_bad_text_is_still_the_senders_error(
    client: Client, no_model: Path
) -> None:
    assert send(client, '{"text": ""}').status_code == 400


@fuzzed
@given(text=any_text)
def test_any_text_is_rated_or_refused(text: str, client: Client, served_model: Path) -> None:
    assert_documented(send(client, json.dumps({"text": text})))


@fuzzed
@given(text=any_text)
def test_any_text_in_a_form_is_rated_or_refused(
    text: str, client: Client, served_model: Path
) -> None:
    body = "text=" + quote(text.encode("utf-8", "surrogatepass"))

    assert_documented(send(client, body, content_type=FORM))


@fuzzed
@given(texts=st.lists(any_text | any_json, max_size=5))
def test_any_list_is_rated_or_refused(texts: list[Any], client: Client, served_model: Path) -> None:
    assert_documented(send(client, json.dumps({"texts": texts})))


@fuzzed
@given(data=any_request)
def test_any_json_is_rated_or_refused(data: Any, client: Client, served_model: Path) -> None:
    assert_documented(send(client, json.dumps(data)))


@fuzzed
@given(body=st.binary(max_size=200), content_type=st.sampled_from([JSON, FORM]))
def test_any_bytes_are_rated_or_refused(
    body: bytes, content_type: str, client: Client, served_model: Path
) -> None:
    assert_documented(send(client, body, content_type=content_type))


@fuzzed
@given(charset=st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=20))
def test_any_charset_is_read_or_refused(charset: str, client: Client, served_model: Path) -> None:
    assert_documented(send(client, b"{}", content_type=f"{JSON}; charset={charset}"))


def test_the_limits_are_those_of_the_settings(client: Client, settings: Settings) -> None:
    settings.CLASSIFIER_MAX_CHARS = 3
    settings.CLASSIFIER_MAX_TEXTS = 2

    assert "3 characters" in error_of(send(client, '{"text": "good"}'))["rule"]
    assert "1 to 2 texts" in error_of(send(client, '{"texts": ["a", "b", "c"]}'))["rule"]
