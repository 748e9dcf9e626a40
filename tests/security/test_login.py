"""Who guesses passwords is locked out, and nobody else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from classifier.tasks import purge_expired_texts

pytestmark = pytest.mark.django_db

LOGIN = "/admin/login/"
PASSWORD = "open sesame, said the reviewer"
ATTACKER, REVIEWER, PROXY = "203.0.113.9", "198.51.100.7", "10.0.0.2"
AT_MOST = 10


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were looked at."""
    seen: list[str] = []
    check = ModelBackend.authenticate

    def watched(self: Any, request: Any, **credentials: Any) -> Any:
        seen.append(credentials["password"])
        return check(self, request, **credentials)

    monkeypatch.setattr(ModelBackend, "authenticate", watched)
    return seen


@pytest.fixture(autouse=True)
def ann() -> User:
    return User.objects.create_user("ann", password=PASSWORD, is_staff=True)


def log_in(password: str, name: str = "ann", **meta: Any) -> Any:
    return Client().post(LOGIN, {"username": name, "password": password}, **meta)


def guess(*, proxies: int, tries: int, spoofed: int = 50) -> None:
    """Guess from one address that says it were many."""
    for number in range(tries):
        claimed = f"192.0.2.{number % spoofed}"
        if proxies:  # the last part is what the site's own proxy wrote
            meta = {"REMOTE_ADDR": PROXY, "HTTP_X_FORWARDED_FOR": f"{claimed}, {ATTACKER}"}
        else:
            meta = {"REMOTE_ADDR": ATTACKER, "HTTP_X_FORWARDED_FOR": claimed}
        log_in(f"guess {number}", **meta)


@pytest.mark.parametrize(("proxies", "tries"), [(1, 1000), (0, 100)])
def test_of_a_thousand_guesses_few_are_looked_at(
    proxies: int,
    tries: int,
    checked: list[str],
    settings: Settings,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("tried", tries)
    settings.NUM_PROXIES = proxies

    guess(proxies=proxies, tries=tries)

    assert 0 < len(checked) <= AT_MOST
    assert log_in(PASSWORD, **_meta(ATTACKER, proxies)).status_code == 429
    assert log_in(PASSWORD, **_meta(REVIEWER, proxies)).status_code == 302


def test_a_lock_that_believes_the_header_would_be_noticed(
    checked: list[str], settings: Settings
) -> None:
    settings.AXES_CLIENT_IP_CALLABLE = lambda request: request.META["HTTP_X_FORWARDED_FOR"]
    guess(proxies=0, tries=100)
    assert len(checked) > AT_MOST


def _meta(address: str, proxies: int) -> dict[str, str]:
    if proxies:
        return {"REMOTE_ADDR": PROXY, "HTTP_X_FORWARDED_FOR": address}
    return {"REMOTE_ADDR": address}


@pytest.mark.parametrize("address", ["2001:db8::1", "192.0.2.1", ""])
def test_the_page_says_what_to_do(address: str, settings: Settings) -> None:
    settings.LOGIN_LOCK_MINUTES = 7
    for number in range(settings.LOGIN_FAILURES - 1):
        assert log_in(f"guess {number}", REMOTE_ADDR=address).status_code == 200
    response = log_in("the last guess", REMOTE_ADDR=address)

    assert response.status_code == 429
    assert response["Retry-After"] == "420"
    assert "Wait for 7 minutes and log in again" in response.content.decode()
    assert "The login is locked" in response.content.decode()


def test_a_network_of_ipv6_is_one_address() -> None:
    for number in range(20):
        response = log_in("guess", REMOTE_ADDR=f"2001:db8::{number + 1:x}")
    assert response.status_code == 429
    assert log_in(PASSWORD, REMOTE_ADDR="2001:db8:0:1::1").status_code == 302


def test_other_names_from_there_are_not_locked() -> None:
    User.objects.create_user("ben", password=PASSWORD, is_staff=True)
    for _ in range(20):
        log_in("guess", REMOTE_ADDR=ATTACKER)
    assert log_in(PASSWORD, "ben", REMOTE_ADDR=ATTACKER).status_code == 302


def test_the_right_password_begins_anew(settings: Settings) -> None:
    for _ in range(3):
        for _ in range(settings.LOGIN_FAILURES - 1):
            assert log_in("wrong").status_code == 200
        assert log_in(PASSWORD).status_code == 302


def test_it_ends_by_itself(settings: Settings) -> None:
    for _ in range(20):
        log_in("guess")
    passed = timedelta(minutes=settings.LOGIN_LOCK_MINUTES, seconds=1)
    AccessAttempt.objects.update(attempt_time=timezone.now() - passed)
    assert log_in(PASSWORD).status_code == 302


def test_it_is_ended_by_a_command() -> None:
    for _ in range(20):
        log_in("guess")
    call_command("axes_reset_username", "ann")
    assert log_in(PASSWORD).status_code == 302


def test_what_is_kept_of_guesses_goes(settings: Settings) -> None:
    log_in("guess a password", REMOTE_ADDR=ATTACKER)
    kept = AccessAttempt.objects.get()
    assert "guess a password" not in f"{kept.post_data}{kept.get_data}"
    passed = timedelta(minutes=settings.LOGIN_LOCK_MINUTES, seconds=1)
    AccessAttempt.objects.update(attempt_time=timezone.now() - passed)
    purge_expired_texts()
    assert not AccessAttempt.objects.exists()
