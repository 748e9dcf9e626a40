import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from classifier.models import ModelVersion
from classifier.predictor import holder
from tests.factories import make_version

pytestmark = pytest.mark.django_db

FACTS: dict[str, Any] = {
    "metrics": {"test_rows": 200.0, "test_accuracy": 0.875},
    "rows": {"train": 1000, "validation": 100, "test": 200},
    "base_model": "some/encoder",
    "base_licence": "mit",
    "config": {"data": {"dataset": "letters"}},
    "pictures": {"labels": ["NEGATIVE", "POSITIVE"], "reliability": [[0.9, 0.8, 200]]},
}


def page(client: Client, address: str = "/model", status: int = 200) -> str:
    answer = client.get(address)
    assert answer.status_code == status
    return " ".join(answer.content.decode().split())


@pytest.fixture
def described(tiny_model_dir: Path, tmp_path: Path, settings: Settings) -> Path:
    """The site serves a model that has a card and metrics."""
    directory = tmp_path / "described"
    shutil.copytree(tiny_model_dir, directory)
    (directory / "metrics.json").write_text(json.dumps(FACTS))
    (directory / "README.md").write_text("# described\n\nReads <script>alert(1)</script> films.\n")
    settings.CLASSIFIER_MODEL = str(directory)
    holder.reset()
    return directory


def test_the_model_that_answers_is_described(client: Client, described: Path) -> None:
    shown = page(client)

    assert "The model described" in shown
    assert "It rates the reviews on this site now." in shown
    assert "Of 200 texts that it had never seen, it got 87.5 % right." in shown
    assert "measured on letters alone" in shown
    assert "some/encoder" in shown
    assert "mit" in shown
    assert "90.0 % sure on average, 80.0 % right" in shown
    assert "<h2>described</h2>" in shown
    assert "<script>alert" not in shown
    assert "style=" not in shown


def test_it_says_the_same_once_it_is_loaded_and_has_answered(
    client: Client, described: Path
) -> None:
    holder.get()
    client.post("/", {"text": "a lovely film"})

    shown = page(client)

    assert "87.5 % right" in shown
    assert holder.loaded is not None
    assert holder.loaded.revision in shown
    version = ModelVersion.objects.get()
    assert "87.5 % right" in page(client, f"/model/{version.pk}")


def test_the_active_version_comes_first(client: Client, served_model: Path) -> None:
    make_version("retired", status="retired", card="# Old card", metrics=FACTS)
    make_version("now", status="active", card="# New card", metrics=FACTS)

    shown = page(client)

    assert "The model now" in shown
    assert "New card" in shown
    assert "retired@0123456789ab" in shown


def test_a_version_has_an_address_of_its_own(client: Client, served_model: Path) -> None:
    version = make_version("retired", status="retired", card="# Old card")

    assert "Old card" in page(client, f"/model/{version.pk}")
    assert "It does not rate the reviews on this site now." in page(client, f"/model/{version.pk}")
    answer = client.get(f"/model?version={version.pk}")
    assert answer["Location"] == f"/model/{version.pk}"


def test_candidates_are_shown_to_staff_alone(client: Client, admin_client: Client) -> None:
    candidate = make_version("bolder", metrics=FACTS)

    assert client.get(f"/model/{candidate.pk}").status_code == 404
    assert "The model bolder" in page(admin_client, f"/model/{candidate.pk}")


@pytest.mark.parametrize("asked", ["x", "-1", "1.5", "9" * 30, "²", "%00"])
def test_a_version_that_there_is_none_of_is_not_found(client: Client, asked: str) -> None:
    assert client.get(f"/model?version={asked}").status_code == 404


def test_an_unknown_number_is_not_found(client: Client) -> None:
    assert client.get("/model/123456").status_code == 404
    assert client.get(f"/model/{'9' * 25}").status_code == 404


def test_a_site_without_a_model_says_so(client: Client, no_model: Path) -> None:
    assert "No model can answer now" in page(client, status=503)


def test_a_model_that_nobody_measured_says_so(client: Client, served_model: Path) -> None:
    shown = page(client)

    assert "Nobody has measured this model" in shown
    assert "trust it little" in shown
