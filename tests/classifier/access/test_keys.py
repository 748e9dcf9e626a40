"""Who is let in, and who is told why not."""

import time
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from classifier.api import keys as key_module
from classifier.api.keys import KEY_SECONDS, KeyMemory, held_key
from classifier.models import ApiKey, AuditEntry, Prediction, Scope, key_digest
from tests.classifier.access.conftest import Send
from tests.factories import make_prediction

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"


def error_of(response: Any, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.content
    error: dict[str, Any] = response.json()["error"]
    return error


def test_the_key_itself_is_kept_nowhere() -> None:
    key, secret = ApiKey.objects.issue("a program", scopes=["rate"])

    assert secret.startswith("rs_")
    assert len(secret) == 46
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            assert secret[11:] not in repr(cursor.fetchall())
    assert key.digest == key_digest(secret)
    assert key.prefix == secret[:11]


def test_making_and_revoking_stand_in_the_audit_log(admin_user: Any) -> None:
    key, secret = ApiKey.objects.issue("a program", scopes=["rate"], actor=admin_user)

    assert key.revoke(admin_user)
    assert not key.revoke(admin_user)

    entries = AuditEntry.objects.of(key)
    assert {entry.action for entry in entries} == {"API key created", "API key revoked"}
    assert {entry.actor_name for entry in entries} == {"admin"}
    assert secret not in repr([(entry.before, entry.after) for entry in entries])


@pytest.mark.parametrize(
    "values",
    [
        {"scopes": []},
        {"scopes": ["everything"]},
        {"scopes": ["rate"], "limit_per_minute": 0},
        {"scopes": ["rate"], "name": ""},
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ApiKey.objects.issue(**({"name": "a program"} | values))


@pytest.mark.parametrize("content_type", ["application/json", FORM])
def test_a_key_is_welcome_where_none_is_demanded(
    content_type: str, client: Client, secret: str, served_model: Path
) -> None:
    """By the short way and by the framework's."""
    body = '{"text": "good"}' if content_type != FORM else "text=good"

    response = client.post(
        "/api/predict",
        body,
        content_type=content_type,
        headers={"Authorization": f"Bearer {secret}"},
    )

    assert response.status_code == 200
    assert ApiKey.objects.get().last_used_at is not None


@pytest.mark.parametrize("given", ["rs_wrong", "wrong", "rs_" + "x" * 10_000, "rs_\xe9"])
def test_a_wrong_key_is_refused_even_where_none_is_demanded(
    given: str, send: Send, served_model: Path
) -> None:
    response = send(key=given)

    error = error_of(response, 401)
    assert error["code"] == "key_unknown"
    assert response["WWW-Authenticate"] == 'Bearer realm="api"'
    assert len(error["value"]) < 60
    assert not Prediction.objects.exists()


@pytest.mark.parametrize("authorization", ["Bearer hf_of_another_house", "Basic YTpi", "Bearer"])
def test_what_is_no_key_of_ours_is_not_read(
    authorization: str, send: Send, served_model: Path
) -> None:
    assert send(Authorization=authorization).status_code == 200


def test_where_keys_are_required_nobody_comes_in_without(
    send: Send, secret: str, served_model: Path, settings: Settings
) -> None:
    settings.API_KEYS = "required"
    prediction = make_prediction()
    addresses = ["/api/predict", f"/api/predictions/{prediction.pk}/feedback", "/api/bulk"]
    addresses += ["/api/v1/predict", "/api/predict/"]

    for address in addresses:
        assert error_of(send(address), 401)["code"] == "key_missing"
    assert error_of(send(Authorization="Bearer hf_x"), 401)["code"] == "key_missing"
    assert send(key=secret).status_code == 200
    assert send(addresses[1], {"right": True}, key=secret).status_code == 200


@pytest.mark.parametrize("opens", Scope.values)
def test_a_key_opens_what_its_scopes_say(
    opens: str, client: Client, send: Send, served_model: Path
) -> None:
    _, secret = ApiKey.objects.issue("a program", scopes=[opens])
    prediction = make_prediction()
    headers = {"Authorization": f"Bearer {secret}"}
    statuses = {
        "rate": send(key=secret).status_code,
        "bulk": client.get("/api/bulk/none", headers=headers).status_code,
        "read": client.get("/api/predictions", headers=headers).status_code,
        "feedback": send(
            f"/api/predictions/{prediction.pk}/feedback", {"right": True}, key=secret
        ).status_code,
    }

    opened = {"rate": 200, "bulk": 404, "read": 200, "feedback": 200}
    assert statuses == {scope: opened[scope] if scope == opens else 403 for scope in statuses}


def test_a_key_that_does_not_open_this_says_what_it_opens(send: Send) -> None:
    _, secret = ApiKey.objects.issue("a program", scopes=["read", "bulk"])

    error = error_of(send(key=secret), 403)

    assert error["code"] == "key_scope"
    assert "bulk, read" in error["value"]
    assert "rate" in error["rule"]


def test_an_expired_key_is_refused_at_the_moment_it_expires(
    send: Send, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires = timezone.now() + timedelta(hours=1)
    _, secret = ApiKey.objects.issue("a program", scopes=["rate"], expires_at=expires)
    assert send(key=secret).status_code == 200

    # What the database said is remembered still.
    monkeypatch.setattr("classifier.api.keys.timezone.now", lambda: expires)
    assert error_of(send(key=secret), 401)["code"] == "key_expired"


def test_a_revoked_key_stops_working_within_the_seconds_that_are_promised(
    send: Send, secret: str, served_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert send(key=secret).status_code == 200
    ApiKey.objects.get().revoke()
    clock = time.monotonic() + KEY_SECONDS
    monkeypatch.setattr("classifier.api.keys.time.monotonic", lambda: clock)

    assert error_of(send(key=secret), 401)["code"] == "key_revoked"


def test_a_key_costs_no_query_while_it_is_remembered(
    secret: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):  # it is found, and its use is written
        held_key(secret)
    with django_assert_num_queries(0):
        held_key(secret)


def test_strangers_who_try_keys_make_the_memory_no_larger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(key_module, "REMEMBERED", 3)
    memory = KeyMemory()

    for number in range(10):
        assert memory.find(str(number)) is None

    assert len(memory._known) == 3


def test_the_command_makes_lists_and_revokes_keys() -> None:
    def run(*arguments: str) -> str:
        out = StringIO()
        call_command("api_key", *arguments, stdout=out, stderr=out)
        return out.getvalue()

    said = run("create", "a shop", "--scopes", "rate", "read", "--limit", "50", "--days", "30")
    secret = next(word for word in said.split() if word.startswith("rs_"))
    key = ApiKey.objects.get()
    assert held_key(secret).scopes == {"rate", "read"}
    assert key.limit_per_minute == 50
    assert key.expires_at is not None
    assert timedelta(days=29) < key.expires_at - timezone.now() < timedelta(days=31)

    listed = run("list")
    assert key.prefix in listed
    assert "a shop" in listed
    assert secret not in listed

    assert "seconds" in run("revoke", key.prefix)
    assert "revoked" in run("list")
    with pytest.raises(CommandError, match="revoked"):
        run("revoke", key.prefix)
    with pytest.raises(CommandError, match="rs_nobody"):
        run("revoke", "rs_nobody")
    with pytest.raises(CommandError, match="everything"):
        run("create", "a shop", "--scopes", "everything")


def test_the_admin_shows_a_key_once_and_revokes_it(admin_client: Client) -> None:
    add = "/admin/classifier/apikey/add/"
    assert admin_client.get(add).status_code == 200
    refused = admin_client.post(add, {"name": "a shop"})
    assert refused.status_code == 200
    assert not ApiKey.objects.exists()

    shown = admin_client.post(add, {"name": "a shop", "scopes": ["rate", "bulk"]})
    page = shown.content.decode()
    key = ApiKey.objects.get()
    assert key.scopes == ["bulk", "rate"]
    assert key.created_by is not None
    start = page.index(key.prefix)
    secret = page[start : start + 46]
    assert held_key(secret).pk == key.pk
    assert "no-store" in shown["Cache-Control"]

    change = f"/admin/classifier/apikey/{key.pk}/change/"
    listing = "/admin/classifier/apikey/"
    for address in (listing, change):
        assert secret not in admin_client.get(address).content.decode()
    assert admin_client.post(change, {"name": "the shop", "scopes": ["rate"]}).status_code == 302
    key.refresh_from_db()
    assert (key.name, key.scopes) == ("the shop", ["rate"])

    chosen = {"action": "revoke", "_selected_action": [str(key.pk)]}
    assert admin_client.post(listing, chosen).status_code == 302
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_the_admin_lets_no_key_be_deleted(admin_client: Client, secret: str) -> None:
    key = ApiKey.objects.get()

    response = admin_client.post(f"/admin/classifier/apikey/{key.pk}/delete/", {"post": "yes"})

    assert response.status_code == 403
    assert ApiKey.objects.exists()
