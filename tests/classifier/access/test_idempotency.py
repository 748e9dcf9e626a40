"""A request that is sent twice is done once, whatever happens between."""

import json
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import OperationalError, connections
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from pytest_django.plugin import DjangoDbBlocker

from classifier import keeping
from classifier.api import idempotency
from classifier.models import ApiKey, BulkJob, IdempotentRequest, Prediction
from classifier.models import api_keys as limits_of_keys
from tests.classifier.access.conftest import JSON
from tests.classifier.jobs.databases import in_use, postgresql, sqlite

BODY = {"text": "a lovely film"}


def post(client: Client, body: Any = BODY, key: str = "one", **headers: str) -> Any:
    return client.post(
        "/api/predict",
        body if isinstance(body, str) else json.dumps(body),
        content_type=JSON,
        headers={"Idempotency-Key": key, **headers},
    )


@pytest.mark.django_db
@pytest.mark.parametrize("body", [BODY, {"texts": ["superb joy", "awful bore", "superb joy"]}])
def test_the_same_request_has_the_same_answer_and_makes_nothing_more(
    body: Any, client: Client, served_model: Path
) -> None:
    first = post(client, body)
    count = Prediction.objects.count()
    again = post(client, body)

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert Prediction.objects.count() == count == len(first.json().get("results", [0]))


@pytest.mark.django_db
def test_another_body_under_the_same_key_is_refused(client: Client, served_model: Path) -> None:
    post(client)

    refused = post(client, {"text": "an awful film"})

    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "idempotency_body"
    assert Prediction.objects.count() == 1


@pytest.mark.django_db
def test_keys_of_different_senders_and_addresses_are_different(
    client: Client, served_model: Path
) -> None:
    for name in ("one", "another"):
        _, secret = ApiKey.objects.issue(name, scopes=["rate"])
        assert post(client, Authorization=f"Bearer {secret}").status_code == 200
    assert post(client).status_code == 200
    assert post(client, REMOTE_ADDR="203.0.113.7").status_code == 200

    assert Prediction.objects.count() == 3


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "\xe9", "\x7f"])
def test_a_key_that_is_none_is_refused(key: str, client: Client, served_model: Path) -> None:
    response = post(client, key=key)

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "idempotency_key"


@pytest.mark.django_db
def test_a_request_in_flight_is_told_to_wait_and_one_whose_process_died_is_taken_over(
    client: Client, served_model: Path
) -> None:
    post(client)
    IdempotentRequest.objects.update(made=None)
    Prediction.objects.all().delete()

    waiting = post(client)
    assert waiting.status_code == 409
    assert waiting.json()["error"]["code"] == "idempotency_in_flight"
    assert waiting["Retry-After"] == "1"

    IdempotentRequest.objects.update(claimed_at=timezone.now() - idempotency.IN_FLIGHT * 2)
    assert post(client).status_code == 200
    assert Prediction.objects.count() == 1


@pytest.mark.django_db
def test_one_that_comes_late_undoes_what_it_made(
    client: Client, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = keeping._insert

    def after_another(rows: Any) -> Any:
        IdempotentRequest.objects.update(token=uuid.uuid4())
        return insert(rows)

    monkeypatch.setattr(keeping, "_insert", after_another)

    assert post(client).status_code == 409
    assert not Prediction.objects.exists()


@pytest.mark.django_db
def test_what_was_refused_or_failed_may_be_sent_again(
    client: Client, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert post(client, {"text": ""}).status_code == 400
    assert post(client).status_code == 200  # under the same key, for the other made nothing

    def away(rows: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as broken:
        broken.setattr(keeping, "_insert", away)
        assert post(client, key="two").status_code == 503
    assert post(client, key="two").status_code == 200


@pytest.mark.django_db
def test_a_key_stands_for_a_day_and_is_purged_then(client: Client, served_model: Path) -> None:
    post(client)
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(hours=25))

    assert post(client, {"text": "an awful film"}).status_code == 200
    assert IdempotentRequest.objects.count() == 1
    assert IdempotentRequest.objects.purge() == 0
    IdempotentRequest.objects.update(created_at=timezone.now() - timedelta(hours=25))
    assert IdempotentRequest.objects.purge() == 1


@pytest.mark.django_db
def test_there_are_never_too_many_for_long(
    client: Client, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits_of_keys, "IDEMPOTENT_AT_MOST", 2)
    for key in ("one", "two", "three"):
        post(client, key=key)

    assert IdempotentRequest.objects.purge() == 1
    assert post(client, key="three")["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in post(client, key="one")


@pytest.mark.django_db
def test_a_file_that_is_sent_twice_is_one_job(client: Client, settings: Settings) -> None:
    def send(content: bytes, **fields: str) -> Any:
        file = SimpleUploadedFile("reviews.csv", content)
        return client.post(
            "/api/bulk",
            {"file": file, "text_column": "text", **fields},
            headers={"Idempotency-Key": "a-file"},
        )

    first = send(b"text\na lovely film\n")
    again = send(b"text\na lovely film\n")
    others = [send(b"text\nan awful film\n"), send(b"text\na lovely film\n", keep_texts="true")]

    assert (first.status_code, again.status_code) == (202, 202)
    assert again["Location"] == first["Location"]
    assert again["Idempotent-Replayed"] == "true"
    assert [other.status_code for other in others] == [422, 422]
    assert BulkJob.objects.count() == 1


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_of_many_at_once_one_is_done(
    kind: str,
    request: pytest.FixtureRequest,
    served_model: Path,
    tmp_path: Path,
    django_db_blocker: DjangoDbBlocker,
) -> None:
    if kind == "postgresql":
        database = postgresql(request.getfixturevalue("postgresql_url"))
    else:
        database = sqlite(tmp_path / "db.sqlite3")
    barrier = threading.Barrier(8)

    def send(_thread: int) -> Any:
        try:
            barrier.wait()
            return post(Client())
        finally:
            connections.close_all()

    with django_db_blocker.unblock(), in_use(database):
        with ThreadPoolExecutor(8) as executor:
            answers = list(executor.map(send, range(8)))
        assert {answer.status_code for answer in answers} <= {200, 409}
        done = {answer.content for answer in answers if answer.status_code == 200}
        assert len(done) == 1
        assert Prediction.objects.count() == 1
        assert post(Client()).content in done
