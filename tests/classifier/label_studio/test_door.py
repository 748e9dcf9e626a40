"""Who is let in, and what the door says of itself."""

import logging
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from classifier.models import AuditEntry, Prediction
from classifier.predictor import RETRY_SECONDS, holder
from tests.classifier.label_studio.projects import (
    ACCESS_TOKEN,
    SECRET,
    annotation,
    basic,
    choice,
    event,
    post,
    predict_request,
    setup_request,
    task,
)
from tests.classifier.test_api_errors import any_json, error_of, fuzzed

pytestmark = pytest.mark.django_db

REQUESTS = {
    "setup": setup_request(),
    "predict": predict_request(task("superb joy")),
    "webhook": event(annotation(choice("Positive")), task("superb joy")),
}
every_post = pytest.mark.parametrize("address", REQUESTS)


def version() -> str:
    predictor = holder.get()
    return f"{predictor.name}@{predictor.revision}"


@every_post
def test_without_a_secret_the_door_is_shut(
    address: str, client: Client, served_model: Path
) -> None:
    response = post(client, address, REQUESTS[address])

    error = error_of(response)
    assert (response.status_code, error["code"]) == (404, "not_found")
    assert error["value"] == "LABEL_STUDIO_SECRET is not set"
    assert "Set LABEL_STUDIO_SECRET" in error["remedy"]


@pytest.mark.parametrize("header", ["Basic OjpiYWNr", "Basic Og==", "Token ", "Bearer", "Basic"])
def test_an_empty_secret_is_no_secret(header: str, client: Client, served_model: Path) -> None:
    response = post(client, "predict", REQUESTS["predict"], {"Authorization": header})

    assert response.status_code == 404
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("address", ["", "health"])
def test_without_a_secret_nothing_is_said_of_the_model(
    address: str, client: Client, served_model: Path
) -> None:
    response = client.get(f"/label-studio/{address}")

    assert (response.status_code, error_of(response)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "headers",
    [
        basic(),
        basic(user=""),
        {"Authorization": f"Token {SECRET}"},
        {"Authorization": f"token  {SECRET} "},
        {"Authorization": f"Bearer {SECRET}"},
    ],
)
@every_post
def test_the_secret_opens(
    address: str, headers: dict[str, str], client: Client, served_model: Path, open_door: None
) -> None:
    assert post(client, address, REQUESTS[address], headers).status_code == 200


def test_a_secret_that_is_not_ascii_opens_too(
    client: Client, served_model: Path, settings: Settings
) -> None:
    settings.LABEL_STUDIO_SECRET = "geheim für 好"
    as_sent = settings.LABEL_STUDIO_SECRET.encode().decode("latin-1")

    for headers in (basic("geheim für 好"), {"Authorization": f"Token {as_sent}"}):
        assert post(client, "setup", setup_request(), headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ({}, "no Authorization header"),
        (basic("another"), "another secret"),
        (basic(""), "another secret"),
        (basic(SECRET + "x"), "another secret"),
        ({"Authorization": f"Basic {SECRET}"}, "another secret"),
        ({"Authorization": "Basic"}, "another secret"),
        ({"Authorization": "Basic Ä"}, "another secret"),
        ({"Authorization": "Token"}, "another secret"),
        ({"Authorization": "Bearer Ä"}, "another secret"),
        ({"Authorization": SECRET}, "another scheme"),
        ({"Authorization": f"Digest {SECRET}"}, "another scheme"),
    ],
    ids=repr,
)
@every_post
def test_who_has_another_secret_or_none_is_turned_away(
    address: str,
    headers: dict[str, str],
    value: str,
    client: Client,
    served_model: Path,
    open_door: None,
) -> None:
    response = post(client, address, REQUESTS[address], headers)

    error = error_of(response)
    assert (response.status_code, error["code"], error["value"]) == (
        401,
        "authentication_failed",
        value,
    )
    assert response["WWW-Authenticate"] == 'Basic realm="label-studio"'
    assert SECRET not in response.content.decode()
    assert not Prediction.objects.exists()


def test_who_is_turned_away_is_not_read(client: Client, open_door: None) -> None:
    assert post(client, "predict", "no JSON", {}).status_code == 401


def test_no_cookie_is_asked_for(served_model: Path, open_door: None) -> None:
    client = Client(enforce_csrf_checks=True)

    assert post(client, "setup", setup_request()).status_code == 200


@pytest.mark.parametrize("address", ["", "health"])
def test_the_site_is_well(
    address: str, client: Client, served_model: Path, open_door: None
) -> None:
    response = client.get(f"/label-studio/{address}")

    assert response.status_code == 200
    assert response.json() == {
        "status": "UP",
        "model_class": "Predictor",
        "model_version": version(),
    }


def test_the_site_is_well_for_who_shows_the_secret_and_not_for_who_shows_another(
    client: Client, served_model: Path, open_door: None
) -> None:
    assert client.get("/label-studio/health", headers=basic()).status_code == 200

    response = client.get("/label-studio/health", headers=basic("another"))
    assert (response.status_code, error_of(response)["value"]) == (401, "another secret")


def test_the_address_that_is_entered_in_label_studio_leads_there(
    client: Client, served_model: Path, open_door: None
) -> None:
    response = client.get("/label-studio", follow=True)

    assert response.json()["status"] == "UP"


@pytest.mark.parametrize("address", ["health", *REQUESTS])
def test_without_a_model_the_site_says_so_and_when_to_come_back(
    address: str, client: Client, no_model: Path, open_door: None
) -> None:
    if address == "health":
        response: Any = client.get("/label-studio/health")
    else:
        response = post(client, address, REQUESTS[address])

    assert response.status_code == 503
    assert response["Retry-After"] == str(int(RETRY_SECONDS))
    assert error_of(response)["code"] == "model_missing"


def test_setup_answers_with_the_model_and_keeps_nothing(
    client: Client,
    served_model: Path,
    open_door: None,
    caplog: pytest.LogCaptureFixture,
    django_assert_num_queries: Any,
) -> None:
    holder.get()
    caplog.set_level(logging.DEBUG)

    with django_assert_num_queries(0, connection=connection):
        response = post(client, "setup", setup_request())

    assert response.json() == {"model_version": version()}
    assert ACCESS_TOKEN not in caplog.text
    assert SECRET not in caplog.text


def test_setup_refuses_a_project_that_is_about_something_else(
    client: Client, served_model: Path, open_door: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    response = post(client, "setup", setup_request('<View><Image name="a" value="$b"/></View>'))

    error = error_of(response)
    assert response.status_code == 400
    assert (error["code"], error["field"]) == ("label_config_text", "schema")
    assert "Image" in error["value"]
    assert ACCESS_TOKEN not in response.content.decode() + caplog.text


@every_post
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("no JSON", 400, "parse_error"),
        ("[]", 400, "not_an_object"),
        ("null", 400, "not_an_object"),
        (b'{"a": "\xff"}', 400, "parse_error"),
        ('{"a": NaN}', 400, "parse_error"),
        ("x" * (4 * 1024 * 1024 + 1), 413, "body_too_large"),
    ],
    ids=lambda given: str(given)[:20],
)
def test_a_body_that_is_no_request_is_refused(
    address: str, body: Any, status: int, code: str, client: Client, open_door: None
) -> None:
    response = post(client, address, body)

    assert (response.status_code, error_of(response)["code"]) == (status, code)


@every_post
def test_another_method_or_type_is_refused(address: str, client: Client, open_door: None) -> None:
    path = f"/label-studio/{address}"

    read = client.get(path, headers=basic())
    form = client.post(path, {"a": "b"}, headers=basic())

    assert (read.status_code, error_of(read)["code"]) == (405, "method_not_allowed")
    assert "POST" in read["Allow"]
    assert (form.status_code, error_of(form)["code"]) == (415, "unsupported_media_type")


@fuzzed
@given(
    address=st.sampled_from([*REQUESTS]),
    key=st.sampled_from(
        ["annotation", "annotations", "task", "project", "action", "tasks", "schema"]
    ),
    value=any_json,
)
def test_anything_is_answered_or_refused(
    address: str, key: str, value: Any, client: Client, served_model: Path, open_door: None
) -> None:
    response = post(client, address, REQUESTS[address] | {key: value})

    assert response.status_code == 200 or error_of(response)


@fuzzed
@given(
    of=st.sampled_from(["annotation", "task"]),
    key=st.sampled_from(["id", "result", "task", "completed_by", "updated_at", "data"]),
    value=any_json,
)
def test_any_annotation_is_answered_or_refused(
    of: str, key: str, value: Any, client: Client, served_model: Path, open_door: None
) -> None:
    webhook = REQUESTS["webhook"]

    response = post(client, "webhook", webhook | {of: webhook[of] | {key: value}})

    assert response.status_code == 200 or error_of(response)


def test_nobody_is_named_in_the_audit_log(
    client: Client, served_model: Path, open_door: None
) -> None:
    post(client, "webhook", REQUESTS["webhook"])

    assert [entry.actor_name for entry in AuditEntry.objects.all()] == [""]
