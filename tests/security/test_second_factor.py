"""With ADMIN_SECOND_FACTOR a password alone opens no door, and codes are good once."""

import re
from pathlib import Path
from typing import Any

import pytest
import segno
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django_otp.oath import TOTP
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from pytest_django import Settings

from classifier.models import AuditEntry
from reviewsite.doctor import Outcome, services
from reviewsite.second_factor import devices
from reviewsite.second_factor.page import QUIET_ZONE, qr_code
from tests.security import markup
from tests.security.test_policy import problems
from tests.security.world import make_world, routes

pytestmark = pytest.mark.django_db

LOGIN, PAGE, ADMIN = "/admin/login/", "/admin/second-factor/", "/admin/"
PASSWORD = "open sesame, said the reviewer"
AT_MOST = 10


class Clock:
    """The seconds that the codes go by."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("django_otp.plugins.otp_totp.models.time", clock)
    return clock


@pytest.fixture(autouse=True)
def wanted(settings: Settings) -> None:
    settings.ADMIN_SECOND_FACTOR = True


@pytest.fixture
def ann() -> User:
    return User.objects.create_superuser("ann", password=PASSWORD)


@pytest.fixture
def half(ann: User, client: Client) -> Client:
    """Whoever knows the password."""
    assert client.post(LOGIN, {"username": "ann", "password": PASSWORD}).status_code == 302
    return client


@pytest.fixture
def app(ann: User) -> TOTPDevice:
    return TOTPDevice.objects.create(user=ann, name=devices.APP)


def code_of(app: TOTPDevice, clock: Clock) -> str:
    """What the app shows."""
    shown = TOTP(app.bin_key)
    shown.time = clock.now
    return f"{shown.token():06}"


def give(client: Client, code: str, **more: str) -> Any:
    return client.post(PAGE, {"code": code, **more})


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def is_in(client: Client) -> bool:
    return client.get(ADMIN).status_code == 200


def test_a_password_alone_is_led_to_the_code_and_back(
    half: Client, app: TOTPDevice, clock: Clock
) -> None:
    asked = "/admin/auth/user/?q=ann"
    page = half.get(asked, follow=True)
    assert page.redirect_chain[-1][0].startswith(PAGE)
    assert 'autocomplete="one-time-code"' in text_of(page)
    key = half.session.session_key

    done = give(half, code_of(app, clock), next=asked)

    assert (done.status_code, done["Location"]) == (302, asked)
    assert half.get(asked).status_code == 200
    assert half.session.session_key != key


def test_a_password_alone_opens_no_more_than_nothing_does(
    admin_client: Client, admin_user: User, half: Client, served_graph: Path, settings: Settings
) -> None:
    settings.ADMIN_SECOND_FACTOR = False
    world = make_world(admin_client, admin_user, "Warm & witty")
    settings.ADMIN_SECOND_FACTOR = True
    anonymous, opened, tried = Client(), [], 0
    for route in routes():
        address = world.address(route)
        if address in (LOGIN, PAGE):
            continue
        for method in ("get", "post"):
            tried += 1
            without, with_password = (getattr(each, method)(address) for each in (anonymous, half))
            if with_password.status_code != without.status_code:
                opened.append((method, address, without.status_code, with_password.status_code))
    assert opened == []
    assert tried > 150
    settings.ADMIN_SECOND_FACTOR = False
    assert is_in(half)  # it is the setting that keeps it out


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:1"])
def test_nobody_is_led_elsewhere(target: str, half: Client, app: TOTPDevice, clock: Clock) -> None:
    assert give(half, code_of(app, clock), next=target)["Location"] == ADMIN


def test_the_first_login_sets_it_up_by_a_code_of_the_app(
    half: Client, ann: User, clock: Clock
) -> None:
    page = half.get(PAGE)
    app = TOTPDevice.objects.get(user=ann)
    assert not app.confirmed
    assert problems(page) == []
    (picture,) = markup.elements(markup.parsed(page.content), "svg")
    assert page.context["address"].startswith("otpauth://totp/Reviewsite")
    assert picture.get("viewbox") or picture.get("viewBox")
    assert page.context["key"].replace(" ", "") in page.context["address"]
    assert half.get(PAGE).context["key"] == page.context["key"]

    wrong = f"{(int(code_of(app, clock)) + 1) % 1_000_000:06}"
    assert "must be one that your app shows now" in text_of(give(half, wrong))
    assert not is_in(half)
    TOTPDevice.objects.update(throttling_failure_count=0)
    shown = code_of(app, clock)
    codes = give(half, f"{shown[:3]} {shown[3:]}").context["codes"]

    assert len(set(codes)) == devices.BACKUP_CODES
    assert is_in(half)
    assert AuditEntry.objects.get().action == AuditEntry.Action.SECOND_FACTOR_SET
    assert half.get(PAGE).context["left"] == devices.BACKUP_CODES


def test_the_picture_is_the_code_of_the_address() -> None:
    address = "otpauth://totp/Reviewsite%3Aann?secret=ABC"
    picture = qr_code(address)
    matrix = segno.make(address, micro=False).matrix
    dark = {
        (int(x) - QUIET_ZONE, int(y) - QUIET_ZONE)
        for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", picture["path"])
    }
    size = len(matrix)
    assert dark == {(x, y) for x in range(size) for y in range(size) if matrix[y][x]}
    assert picture["side"] == size + 2 * QUIET_ZONE


def test_who_has_the_password_sets_no_second_app_up(
    half: Client, ann: User, app: TOTPDevice, clock: Clock
) -> None:
    begun = TOTPDevice.objects.create(user=ann, confirmed=False, name=devices.APP)
    with pytest.raises(devices.WrongCode):
        devices.confirm(ann, code_of(begun, clock))
    assert give(half, code_of(begun, clock)).status_code == 200
    assert not is_in(half)


def test_a_code_is_good_once(half: Client, app: TOTPDevice, clock: Clock) -> None:
    code = code_of(app, clock)
    assert give(half, code).status_code == 302
    half.logout()
    half.post(LOGIN, {"username": "ann", "password": PASSWORD})
    assert give(half, code).status_code == 200
    assert not is_in(half)


def test_backup_codes_are_good_once_each_and_new_ones_end_those_before(
    half: Client, ann: User, app: TOTPDevice
) -> None:
    first, second, *_ = devices.new_backup_codes(ann)
    assert give(half, f" {first.upper()} ").status_code == 302
    assert half.get(PAGE).context["left"] == devices.BACKUP_CODES - 1

    new = half.post(PAGE, {"codes": "1"}).context["codes"]
    half.logout()
    half.post(LOGIN, {"username": "ann", "password": PASSWORD})
    for used in (first, second):
        assert give(half, used).status_code == 200
        StaticDevice.objects.update(throttling_failure_count=0)
    assert give(half, new[0]).status_code == 302


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The codes that were compared with the app's."""
    seen: list[object] = []
    check = TOTPDevice.throttle_increment

    def watched(self: Any, commit: bool = True) -> None:
        seen.append(self.pk)
        check(self, commit=commit)

    monkeypatch.setattr(TOTPDevice, "throttle_increment", watched)
    return seen


def test_of_many_guesses_few_are_looked_at(
    half: Client, app: TOTPDevice, clock: Clock, looked_at: list[object]
) -> None:
    for number in range(300):
        page = give(half, f"{number:06}")
        assert page.status_code == 200
    assert 0 < len(looked_at) <= AT_MOST
    assert "Wait for" in text_of(page)
    assert give(half, code_of(app, clock)).status_code == 200  # a right one, too
    TOTPDevice.objects.update(throttling_failure_count=0)
    assert give(half, code_of(app, clock)).status_code == 302


def test_guesses_that_nothing_slows_would_be_noticed(
    half: Client, app: TOTPDevice, settings: Settings, looked_at: list[object]
) -> None:
    settings.OTP_TOTP_THROTTLE_FACTOR = 0
    for number in range(30):
        give(half, f"{number:06}")
    assert len(looked_at) > AT_MOST


@pytest.mark.parametrize(
    "code", ["", "   ", "x" * 33, "²³", "١٢٣", "12\x0034", "-1", "1e5", "ключ"]
)
def test_what_is_no_code_is_refused(code: str, half: Client, ann: User, app: TOTPDevice) -> None:
    devices.new_backup_codes(ann)
    page = give(half, code)
    assert page.status_code == 200
    assert page.context["form"].errors
    assert not is_in(half)


def test_leaving_ends_the_session(half: Client, app: TOTPDevice) -> None:
    assert half.post(PAGE, {"leave": "1"})["Location"] == LOGIN
    assert "_auth_user_id" not in half.session


def test_a_reset_ends_sessions_and_the_next_login_sets_it_up_anew(
    half: Client, ann: User, app: TOTPDevice, clock: Clock
) -> None:
    give(half, code_of(app, clock))
    assert is_in(half)

    call_command("second_factor", "reset", "ann")

    assert not is_in(half)
    assert "key" in half.get(PAGE).context
    assert AuditEntry.objects.get().action == AuditEntry.Action.SECOND_FACTOR_RESET
    assert TOTPDevice.objects.filter(confirmed=False).exists()  # begun by the page, not set up
    with pytest.raises(CommandError, match="has not set a second factor up"):
        call_command("second_factor", "reset", "ann")
    with pytest.raises(CommandError, match="No account is named 'bob'"):
        call_command("second_factor", "reset", "bob")


def test_accounts_are_reset_in_the_admin(
    half: Client, app: TOTPDevice, clock: Clock, settings: Settings
) -> None:
    give(half, code_of(app, clock))
    bob = User.objects.create_user("bob", is_staff=True)
    TOTPDevice.objects.create(user=bob, name=devices.APP)
    chosen = {"action": "reset_second_factor", "_selected_action": [bob.pk]}
    said = half.post("/admin/auth/user/", chosen, follow=True)
    assert "1 account sets its second factor up anew" in text_of(said)
    assert not TOTPDevice.objects.filter(user=bob).exists()
    assert AuditEntry.objects.get().actor_name == "ann"
    settings.ADMIN_SECOND_FACTOR = False
    assert "reset_second_factor" not in text_of(half.get("/admin/auth/user/"))


def test_who_has_set_it_up_is_listed(
    ann: User, app: TOTPDevice, capsys: pytest.CaptureFixture[str], settings: Settings
) -> None:
    User.objects.create_user("bob", is_staff=True)
    call_command("second_factor", "list")
    assert re.fullmatch(
        r"ann  set up \d{4}-\d\d-\d\d  0 backup codes left\nbob  not set up\n",
        capsys.readouterr().out,
    )
    found = services.second_factor()
    assert (found.outcome, "the first bob" in found.told) == (Outcome.WARNING, True)
    User.objects.filter(username="bob").delete()
    assert services.second_factor().outcome == Outcome.OK
    settings.ADMIN_SECOND_FACTOR = False
    assert services.second_factor().outcome == Outcome.SKIPPED


def test_the_pages_keep_to_the_policy(half: Client, app: TOTPDevice, clock: Clock) -> None:
    assert problems(half.get(PAGE)) == []
    give(half, code_of(app, clock))
    assert problems(half.get(PAGE)) == []
    assert problems(half.post(PAGE, {"codes": "1"})) == []
    assert half.get(PAGE)["Cache-Control"].startswith("max-age=0")


def test_keys_and_codes_are_on_no_page_of_the_admin(
    half: Client, ann: User, app: TOTPDevice, clock: Clock
) -> None:
    codes = devices.new_backup_codes(ann)
    give(half, code_of(app, clock))
    for address in ("/admin/otp_totp/totpdevice/", "/admin/otp_static/staticdevice/"):
        assert half.get(address).status_code == 404
    for address in (ADMIN, PAGE, f"/admin/auth/user/{ann.pk}/change/"):
        said = half.get(address).content.decode()
        assert app.key not in said
        assert not [code for code in codes if code in said]


def test_without_the_setting_nobody_is_asked(half: Client, settings: Settings) -> None:
    settings.ADMIN_SECOND_FACTOR = False
    assert is_in(half)
    assert half.get(PAGE).status_code == 404
