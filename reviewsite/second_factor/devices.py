"""What an account has set up, and whether a code is one of its own."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from django_otp import verify_token
from django_otp.models import Device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from classifier.models import AuditEntry, audit_entry

BACKUP_CODES = 10
APP = "Authenticator app"
BACKUP = "Backup codes"


class WrongCode(Exception):
    """No code of the account, or one that was not looked at."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"The code is wrong; the next is looked at in {seconds} seconds.")
        self.seconds = seconds
        """Until another is looked at."""


def app_of(user: User) -> TOTPDevice | None:
    """The authenticator app that the account has set up."""
    return TOTPDevice.objects.filter(user=user, confirmed=True).first()


def backup_codes_left(user: User) -> int:
    return int(StaticToken.objects.filter(device__user=user).count())


def begin(user: User) -> TOTPDevice:
    """An app that counts for nothing until a code of it was shown; the same until then."""
    with _alone(user):
        begun = TOTPDevice.objects.filter(user=user, confirmed=False).first()
        return begun or TOTPDevice.objects.create(user=user, confirmed=False, name=APP)


def confirm(user: User, code: str) -> list[str]:
    """Set the app up that was begun, by its first code; the account's new backup codes.

    Raises:
        WrongCode: it is not, or the account has an app by now.
    """
    with _alone(user):
        begun = TOTPDevice.objects.filter(user=user, confirmed=False).first()
        if begun and not app_of(user) and begun.verify_token(code):
            begun.confirmed = True
            begun.save(update_fields=["confirmed"])
            audit_entry(AuditEntry.Action.SECOND_FACTOR_SET, user, user).save()
            return new_backup_codes(user)
    raise WrongCode(_seconds_to_wait(begun))


def new_backup_codes(user: User) -> list[str]:
    """Codes that are good once each, in the place of those before."""
    with _alone(user):
        StaticDevice.objects.filter(user=user).delete()
        device = StaticDevice.objects.create(user=user, name=BACKUP)
        codes = [StaticToken.random_token() for _ in range(BACKUP_CODES)]
        StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


def verify(user: User, code: str) -> Device:
    """Whose code it is: of the app, six digits, or of the backup codes, which have letters.

    Raises:
        WrongCode: neither's, or used before, or not looked at since it came too soon.
    """
    backup = StaticDevice.objects.filter(user=user).first()
    device = app_of(user) if code.isdecimal() else backup
    verified = verify_token(user, device.persistent_id, code) if device else None
    if verified is None:
        raise WrongCode(_seconds_to_wait(device))
    return verified


def reset(user: User, *, actor: Any = None) -> bool:
    """Forget what the account has set up, so that its next login sets it up anew.

    Sessions that it has opened must show a code of the new one, too.

    Args:
        actor: a user, or None for a command.

    Returns:
        Whether it had an app; one that was only begun counts for nothing.
    """
    with _alone(user):
        had_app = app_of(user) is not None
        TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()
        if had_app:
            audit_entry(AuditEntry.Action.SECOND_FACTOR_RESET, user, actor).save()
    return had_app


def _seconds_to_wait(device: Device | None) -> int:
    """Until it looks at another code: 1, 2, 4 ... after each wrong one; 0: it would do so now."""
    if device is None:
        return 0
    device.refresh_from_db()
    _allowed, told = device.verify_is_allowed()
    return math.ceil((told["locked_until"] - timezone.now()).total_seconds()) if told else 0


@contextmanager
def _alone(user: User) -> Iterator[None]:
    """A transaction in which no other request changes what this account has."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        yield
