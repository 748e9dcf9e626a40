"""So many runs a minute of each user, by whichever door, and 429 for one more."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoDbBlocker, Settings

from classifier.api import counters
from classifier.api.refusals import Refusal
from tests.classifier.jobs.databases import in_use, sqlite
from tests.training.test_admin import start as fill_in
from training import services
from training.models import TrainingRun
from training.start_rate import count_start

URL = "/api/training-runs"
LIMIT = 2


@pytest.fixture(autouse=True)
def limited(settings: Settings, tmp_path: Path) -> None:
    settings.TRAINING_RATE_LIMIT = LIMIT
    for name in ("MODELS_DIR", "RUNS_DIR", "DATASETS_DIR"):
        setattr(settings, name, tmp_path / name.lower())
        (tmp_path / name.lower()).mkdir()


def user_of(name: str) -> User:
    user: User = get_user_model().objects.create_superuser(name, password="pass word")
    return user


def api(user: User) -> Client:
    login = base64.b64encode(f"{user.username}:pass word".encode()).decode()
    return Client(headers={"Authorization": f"Basic {login}"})


def start(client: Client, name: str, **body: Any) -> Any:
    body = {"name": name, "recipe": "starter", **body}
    return client.post(URL, data=json.dumps(body), content_type="application/json")


def fail_all() -> None:
    TrainingRun.objects.update(status=TrainingRun.Status.FAILED, finished_at=timezone.now())


def assert_refused(response: Any) -> None:
    assert response.status_code == 429
    assert 1 <= int(response["Retry-After"]) <= counters.WINDOW
    error = response.json()["error"]
    assert error["code"] == "training_rate_exceeded"
    assert str(LIMIT) in error["rule"]
    assert response["Retry-After"] in error["remedy"]


@pytest.mark.django_db
def test_one_start_too_many_is_429_until_the_minute_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ann, bob = (api(user_of(name)) for name in ("ann", "bob"))
    assert start(ann, "one").status_code == 202
    assert start(ann, "two").status_code == 202
    refused = start(ann, "three")
    assert_refused(refused)
    assert not TrainingRun.objects.filter(name="three").exists()
    assert start(bob, "three").status_code == 202  # another user

    later = time.time() + int(refused["Retry-After"])
    monkeypatch.setattr(time, "time", lambda: later)
    assert start(ann, "four").status_code == 202


@pytest.mark.django_db
def test_what_is_invalid_counts_and_who_may_not_start_is_not_counted() -> None:
    ann = user_of("ann")
    assert start(api(ann), "../x").status_code == 400
    assert start(api(ann), "fine", overrides={"no_such": 1}).status_code == 400
    assert_refused(start(api(ann), "fine"))

    clerk: User = get_user_model().objects.create_user("clerk", password="pass word", is_staff=True)
    assert {start(api(clerk), "mine").status_code for _ in range(LIMIT + 1)} == {403}


@pytest.mark.django_db
def test_a_retry_is_a_start_by_every_door() -> None:
    ann = user_of("ann")
    run = services.start_run(name="mine", recipe="starter")  # a command's, which is not counted
    fail_all()
    assert api(ann).post(f"{URL}/{run.pk}/retry").status_code == 202
    admin = Client()
    admin.force_login(ann)
    started = fill_in(admin, "starter", name="other")
    assert started.status_code == 302

    fail_all()
    assert_refused(api(ann).post(f"{URL}/{run.pk}/retry"))
    page = admin.post(f"/admin/training/trainingrun/{run.pk}/retry/", follow=True)
    assert "may start or retry 2 runs a minute" in page.content.decode()
    run.refresh_from_db()
    assert run.status == TrainingRun.Status.FAILED

    page = fill_in(admin, "starter", name="third")
    assert page.status_code == 429
    assert int(page["Retry-After"]) >= 1
    assert "may start or retry 2 runs a minute" in page.content.decode()
    assert 'value="third"' in page.content.decode()  # what was filled in is not lost
    page = admin.post("/admin/training/trainingrun/retrain/", follow=True)
    assert "may start or retry 2 runs a minute" in page.content.decode()
    assert TrainingRun.objects.count() == 2


@pytest.mark.django_db
def test_without_a_limit_nothing_is_counted(settings: Settings) -> None:
    settings.TRAINING_RATE_LIMIT = 0
    ann = user_of("ann")
    for _ in range(30):
        count_start(ann)


def test_of_many_at_once_exactly_as_many_pass(
    django_db_blocker: DjangoDbBlocker, tmp_path: Path
) -> None:
    def passes(user: User) -> bool:
        try:
            count_start(user)
        except Refusal:
            return False
        finally:
            connection.close()
        return True

    with django_db_blocker.unblock(), in_use(sqlite(tmp_path / "db.sqlite3")):
        ann = user_of("ann")
        with ThreadPoolExecutor(8) as several:
            passed = list(several.map(passes, [ann] * 40))
    assert sum(passed) == LIMIT
