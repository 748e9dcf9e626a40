from pathlib import Path
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

from classifier.predictor import holder
from reviewsite.ending import ending


def test_livez_is_true_without_database_and_model(client: Client, no_model: Path) -> None:
    """No mark django_db: pytest-django refuses every query of this test."""
    response = client.get("/livez")

    assert response.status_code == 200
    assert response.json() == {"alive": True}


@pytest.mark.django_db
def test_readyz_is_true_and_names_the_model_once_it_is_loaded(
    client: Client, served_model: Path
) -> None:
    predictor = holder.get()

    response = client.get("/readyz")

    assert response.status_code == 200
    assert response.json() == {
        "ready": True,
        "model": f"{predictor.name}@{predictor.revision}",
    }


@pytest.mark.django_db
def test_readyz_loads_nothing(client: Client, served_model: Path) -> None:
    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json() == {"ready": False, "reasons": ["The model is not loaded yet."]}
    assert holder.loaded is None


@pytest.mark.django_db
def test_readyz_says_why_the_model_could_not_be_loaded(client: Client, no_model: Path) -> None:
    client.post("/api/predict", {"text": "good"}, content_type="application/json")

    response = client.get("/readyz")

    assert response.status_code == 503
    [reason] = response.json()["reasons"]
    assert "there is no model" in reason
    assert "CLASSIFIER_MODEL" in reason


@pytest.mark.django_db
def test_readyz_says_when_the_database_does_not_answer(
    client: Client, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.get()

    def refuse() -> None:
        raise OperationalError("the server closed the connection: password=secret")

    monkeypatch.setattr(connection, "cursor", refuse)

    response = client.get("/readyz")

    assert response.status_code == 503
    assert response.json()["reasons"] == ["The database must answer, but: OperationalError."]


def test_startupz_says_no_until_the_model_is_loaded(client: Client, no_model: Path) -> None:
    """No mark django_db: the database is not asked."""
    response = client.get("/startupz")

    assert response.status_code == 503
    assert response.json() == {"started": False, "reasons": ["The model is not loaded yet."]}
    assert holder.loaded is None


@pytest.mark.django_db
def test_a_process_that_has_started_stays_so_when_the_database_goes_or_it_is_to_end(
    client: Client, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.get()
    monkeypatch.setattr(connection, "cursor", Mock(side_effect=OperationalError("gone")))
    monkeypatch.setattr(ending, "told", True)

    started, ready = client.get("/startupz"), client.get("/readyz")

    assert (started.status_code, started.json()) == (200, {"started": True})
    assert ready.status_code == 503
    told_to_end, database = ready.json()["reasons"]
    assert "told to end" in told_to_end
    assert "database" in database


@pytest.mark.parametrize("path", ["/livez", "/startupz", "/readyz"])
@pytest.mark.django_db
def test_health_is_never_cached(path: str, client: Client) -> None:
    assert "no-store" in client.get(path)["Cache-Control"]


@pytest.mark.parametrize("path", ["/livez", "/startupz", "/readyz"])
def test_health_is_only_looked_at(path: str, client: Client) -> None:
    assert client.post(path).status_code == 405


@pytest.mark.parametrize("path", ["/livez", "/startupz", "/readyz"])
@pytest.mark.django_db
def test_a_balancer_asks_by_address_and_without_https(
    path: str, client: Client, served_model: Path, settings: Settings
) -> None:
    settings.SECURE_SSL_REDIRECT = True
    holder.get()
    assert client.get(path, headers={"host": "10.0.0.7"}).status_code == 200
