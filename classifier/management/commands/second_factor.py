"""manage.py second_factor: who has set one up, and forgetting that of who has lost it."""

from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import CommandError, CommandParser

from reviewsite.commands import SiteCommand
from reviewsite.second_factor import devices


class Command(SiteCommand):
    help = "Lists which accounts have set their second factor up, and resets it."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        actions.add_parser("list", help="Accounts that may log in to the admin.")
        reset = actions.add_parser(
            "reset", help="Have an account set it up anew at its next login, as after a lost phone."
        )
        reset.add_argument("account", help="Its user name.")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "list":
            self._list()
        else:
            self._reset(options["account"])

    def _list(self) -> None:
        for user in User.objects.filter(is_staff=True, is_active=True).order_by("username"):
            app = devices.app_of(user)
            day = f"{app.created_at:%Y-%m-%d}" if app and app.created_at else "before"
            left = f"{devices.backup_codes_left(user)} backup codes left"
            said = f"set up {day}  {left}" if app else "not set up"
            self.stdout.write(f"{user.get_username()}  {said}")

    def _reset(self, name: str) -> None:
        user = User.objects.filter(username=name).first()
        if user is None:
            raise CommandError(
                f"No account is named {name!r}; manage.py second_factor list shows all."
            )
        if not devices.reset(user):
            raise CommandError(f"{name} has not set a second factor up; there is none to reset.")
        self.stdout.write(f"{name} sets the second factor up anew at the next login.")
