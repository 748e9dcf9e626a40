"""What a visitor and a program hear while the database is away."""

from collections.abc import Iterator
from unittest import mock

import pytest
from django.db import OperationalError
from django.test import Client

from classifier import keeping

pytestmark = pytest.mark.django_db


@pytest.fixture
def outage(served_model: object) -> Iterator[None]:
    away = OperationalError("server closed the connection unexpectedly")
    with mock.patch.object(keeping, "_insert", side_effect=away):
        yield


@pytest.mark.usefixtures("outage")
def test_the_form_answers_503_and_says_to_send_it_again(client: Client) -> None:
    response = client.post("/", {"text": "a lovely film"})
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    assert "send it again" in response.content.decode()


@pytest.mark.usefixtures("outage")
def test_the_api_answers_503_in_the_shape_of_its_errors(client: Client) -> None:
    response = client.post(
        "/api/predict", {"text": "a lovely film"}, content_type="application/json"
    )
    assert response.status_code == 503
    assert response["Retry-After"] == "5"
    error = response.json()["error"]
    assert error["code"] == "database_not_ready"
    assert error["remedy"]
