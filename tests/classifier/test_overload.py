"""Who has waited too long for his turn is told so, in the shape of the door that he came by."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from classifier.models import Prediction
from classifier.waiting import note_wait

pytestmark = pytest.mark.django_db


@pytest.fixture
def late(served_model: Path, settings: Settings) -> Iterator[None]:
    settings.CLASSIFIER_MAX_WAIT = 10.0
    note_wait(10.5)
    yield
    note_wait(0)


def post(client: Client, path: str, body: dict[str, Any]) -> Any:
    return client.post(path, body, content_type="application/json")


def test_a_program_is_told_to_come_again(late: None, client: Client) -> None:
    answer = post(client, "/api/predict", {"text": "A good film."})

    assert answer.status_code == 429
    assert int(answer["Retry-After"]) >= 1
    error = answer.json()["error"]
    assert error["code"] == "overloaded"
    assert "10 s" in error["rule"]
    assert error["value"] == "10.5 s"
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("path", ["/api/inference", "/predict"])
def test_other_doors_say_it_in_their_own_shape(late: None, client: Client, path: str) -> None:
    answer = post(client, path, {"inputs": "A good film."})

    assert answer.status_code == 429
    assert answer["Retry-After"]
    assert "turn" in str(answer.json()["error"])


@pytest.mark.parametrize(
    ("path", "typed"),
    [("/", {"text": "A good film."}), ("/compare", {"first": "Good.", "second": "Bad."})],
)
def test_a_visitor_keeps_what_he_typed(
    late: None, client: Client, path: str, typed: dict[str, str]
) -> None:
    answer = client.post(path, typed)

    assert answer.status_code == 429
    assert "may wait 10 s for its turn" in answer.content.decode()
    assert all(text in answer.content.decode() for text in typed.values())


def test_who_has_waited_less_is_rated(served_model: Path, client: Client) -> None:
    note_wait(1.0)
    assert post(client, "/api/predict", {"text": "A good film."}).status_code == 200


def test_without_a_limit_all_are_rated(late: None, client: Client, settings: Settings) -> None:
    settings.CLASSIFIER_MAX_WAIT = 0
    assert post(client, "/api/predict", {"text": "A good film."}).status_code == 200
