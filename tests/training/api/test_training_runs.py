"""Training runs over HTTP: who may, what is answered, and every error in the one shape."""

import base64
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import Settings

from training import services
from training.models import TrainingRun

pytestmark = pytest.mark.django_db
URL = "/api/training-runs"
START = {"name": "mine", "recipe": "starter", "overrides": {"epochs": 1}}


@pytest.fixture(autouse=True)
def folders(settings: Settings, tmp_path: Path) -> None:
    settings.MODELS_DIR = tmp_path / "models"
    settings.RUNS_DIR = tmp_path / "runs"


@pytest.fixture
def ann() -> User:
    """Staff with all permissions on runs."""
    user: User = get_user_model().objects.create_user("ann", password="pass word", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__endswith="_trainingrun"))
    return user


@pytest.fixture
def api(ann: User) -> Client:
    return Client(headers={"Authorization": basic("ann", "pass word")})


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def post(client: Client, path: str = URL, body: Any = None) -> Any:
    text = body if isinstance(body, str) else json.dumps(START if body is None else body)
    return client.post(path, data=text, content_type="application/json")


def run(name: str = "mine") -> TrainingRun:
    return services.start_run(name=name, recipe="starter")


def require_error(response: Any, status: int, *, field: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    error: dict[str, Any] = response.json()["error"]
    assert set(error) == {"code", "field", "rule", "value", "remedy"}
    assert error["field"] == field
    assert all(error[key] for key in ("code", "rule", "value", "remedy"))
    return error


def test_a_started_run_is_answered_at_once_and_found_where_the_answer_says(
    api: Client, ann: User
) -> None:
    response = post(api)
    assert response.status_code == 202
    found = api.get(response["Location"])
    assert found.status_code == 200
    said = found.json()
    assert said == response.json()
    assert (said["name"], said["status"], said["recipe"]) == ("mine", "queued", "starter")
    assert said["config"]["training"]["epochs"] == 1
    assert said["started_by"] == "ann"
    assert (said["done"], said["total"], said["seconds_left"]) == (0, 0, None)
    assert said["links"]["self"] == response["Location"]
    assert said["links"]["retry"] is None
    assert TrainingRun.objects.get().started_by == ann


def test_how_far_a_run_is_can_be_read(api: Client) -> None:
    claim = TrainingRun.objects.claim(run().pk)
    assert claim
    claim.write(stage="training", done=30, total=90, pace=2.0, epoch=0.5, log_tail="{'loss': 1}")
    said = api.get(f"{URL}/{claim.pk}").json()
    assert (said["status"], said["stage"], said["done"], said["total"]) == (
        *("running", "training", 30, 90),
    )
    assert (said["epoch"], said["seconds_left"], said["log_tail"]) == (0.5, 30.0, "{'loss': 1}")


def test_runs_are_listed_newest_first_in_pages(api: Client) -> None:
    for number in range(51):
        run(f"run-{number}")
    first = api.get(URL).json()
    assert first["count"] == 51
    assert [each["name"] for each in first["results"][:2]] == ["run-50", "run-49"]
    assert len(first["results"]) == 50
    assert "history" not in first["results"][0]
    second = api.get(first["next"]).json()
    assert [each["name"] for each in second["results"]] == ["run-0"]
    require_error(api.get(f"{URL}?page=9"), 404)
    require_error(api.get(f"{URL}?page=%00"), 404)


def test_a_list_takes_as_many_queries_for_many_runs_as_for_one(
    api: Client, django_assert_num_queries: Any
) -> None:
    for number in range(5):
        run(f"run-{number}")
    # The failed logins, the user, two of permissions, the count, the runs
    with django_assert_num_queries(6):
        api.get(URL)


def test_a_run_is_cancelled_and_taken_up_again(api: Client) -> None:
    pk = run().pk
    first = post(api, f"{URL}/{pk}/cancel")
    assert (first.status_code, first.json()["status"]) == (202, "cancelled")
    assert post(api, f"{URL}/{pk}/cancel").status_code == 202  # as it is wanted
    again = post(api, f"{URL}/{pk}/retry")
    assert (again.status_code, again.json()["status"]) == (202, "queued")
    assert again["Location"] == f"{URL}/{pk}"
    error = require_error(post(api, f"{URL}/{pk}/retry"), 409)
    assert (error["code"], error["value"]) == ("run_not_over", "the run mine is queued")


@pytest.mark.parametrize(("act", "status"), [("retry", "queued"), ("cancel", "cancelled")])
def test_a_paused_run_goes_on_at_once_or_is_cancelled(api: Client, act: str, status: str) -> None:
    claim = TrainingRun.objects.claim(run().pk)
    assert claim
    claim.pause("5 bytes are needed.")
    said = api.get(f"{URL}/{claim.pk}").json()
    assert (said["status"], said["error"]) == ("paused", "5 bytes are needed.")
    assert said["finished_at"] is None
    done = post(api, said["links"][act])
    assert (done.status_code, done.json()["status"]) == (202, status)


def test_a_run_that_has_ended_cannot_be_cancelled(api: Client) -> None:
    claim = TrainingRun.objects.claim(run().pk)
    assert claim
    claim.succeed()
    error = require_error(post(api, f"{URL}/{claim.pk}/cancel"), 409)
    assert (error["code"], error["value"]) == ("run_over", "the run mine is succeeded")
    require_error(post(api, f"{URL}/{claim.pk}/retry"), 409)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("{", None),
        ("[]", None),
        ('{"name": "a", "name": "b"}', None),
        ({"nme": "mine"}, None),
        ({"name": 7}, "name"),
        ({"overrides": ["epochs"]}, "overrides"),
        ({"name": None}, "name"),
        ({"recipe": "no-such"}, "recipe"),
        ({"recipe": "starter", "overrides": {"epochs": -1}}, "epochs"),
        ({"recipe": "starter", "overrides": {"epochs": 1, "no_such": 1}}, None),
        ('{"recipe": "starter", "overrides": {"epochs": 1e400}}', "epochs"),
        ('{"recipe": "starter", "overrides": {"epochs": NaN}}', None),
        ('{"recipe": "starter", "overrides": {"experiment": "\\u0000"}}', "experiment"),
        ('{"recipe": "starter", "name": "\\ud800"}', "name"),
        ({"overrides": {"dataset": "/etc/passwd"}}, "dataset"),
        ({"overrides": {"dataset": "http://169.254.169.254/"}}, "dataset"),
        ({"recipe": "starter", "overrides": {"base_model": "../../etc"}}, "base_model"),
        ({"name": "starter", "recipe": "starter"}, "name"),
        ({"recipe": "starter", "overrides": {"push_to_hub": "x"}}, "push_to_hub"),
        ({"overrides": {"dataset": "reviewed"}}, "dataset"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_cannot_run_is_refused_with_rule_value_and_remedy(
    api: Client, body: Any, field: str | None
) -> None:
    require_error(post(api, body=body), 400, field=field)
    assert not TrainingRun.objects.exists()


def test_what_is_no_run_is_not_found(api: Client) -> None:
    for name in (str(uuid4()), "mine", "%00", "x" * 300):
        require_error(api.get(f"{URL}/{name}"), 404)
        require_error(post(api, f"{URL}/{name}/cancel"), 404)
        require_error(post(api, f"{URL}/{name}/retry"), 404)


def test_other_methods_and_formats_are_refused(api: Client) -> None:
    response = api.delete(URL)
    require_error(response, 405)
    assert set(response["Allow"].split(", ")) == {"GET", "POST", "HEAD", "OPTIONS"}
    require_error(api.post(URL, data={"recipe": "starter"}), 415)  # multipart
    require_error(api.get(URL, headers={"Accept": "text/html"}), 406)


def test_without_credentials_the_answer_says_how_to_give_them() -> None:
    pk = run().pk
    for path in (URL, f"{URL}/{pk}"):
        response = Client().get(path)
        require_error(response, 401)
        assert response["WWW-Authenticate"].startswith("Basic ")
    for path in (URL, f"{URL}/{pk}/cancel", f"{URL}/{pk}/retry"):
        require_error(post(Client(), path), 401)
    assert TrainingRun.objects.get().status == "queued"


@pytest.mark.parametrize("header", [basic("ann", "wrong"), "Basic ???", "Basic " + "A" * 5])
def test_wrong_credentials_are_refused(ann: User, header: str) -> None:
    require_error(Client(headers={"Authorization": header}).get(URL), 401)


def test_only_staff_with_the_permission_of_the_admin_may(ann: User) -> None:
    pk = run().pk
    client = Client(headers={"Authorization": basic("ann", "pass word")})
    ann.user_permissions.set(Permission.objects.filter(codename="view_trainingrun"))
    assert client.get(URL).status_code == 200
    assert client.get(f"{URL}/{pk}").status_code == 200
    for path in (URL, f"{URL}/{pk}/cancel", f"{URL}/{pk}/retry"):
        error = require_error(post(client, path), 403)
        assert error["code"] == "permission_denied"
    ann.is_staff = False
    ann.user_permissions.set(Permission.objects.filter(codename__endswith="_trainingrun"))
    ann.save()
    require_error(client.get(URL), 403)
    require_error(post(client), 403)
    assert TrainingRun.objects.get().status == "queued"


def test_a_session_must_send_its_csrf_token(ann: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ann)
    assert client.get(URL).status_code == 200
    error = require_error(post(client), 403)
    assert "CSRF" in error["value"]
    assert not TrainingRun.objects.exists()


def test_the_schema_has_every_address_and_error() -> None:
    import yaml

    schema = yaml.safe_load(Client().get("/api/schema").content)
    paths = schema["paths"]
    assert {path for path in paths if "training" in path} == {
        URL,
        f"{URL}/{{run_id}}",
        f"{URL}/{{run_id}}/cancel",
        f"{URL}/{{run_id}}/retry",
    }
    assert {"202", "400", "401", "403"} <= set(paths[URL]["post"]["responses"])
