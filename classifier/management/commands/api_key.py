"""manage.py api_key: make, list and revoke keys to the API."""

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from classifier.models import ApiKey, Scope
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = "Makes, lists and revokes keys to the API."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="Make a key and print it, once.")
        create.add_argument("name", help="Whose it is, or what for.")
        create.add_argument(
            "--scopes",
            nargs="+",
            default=[Scope.RATE.value],
            choices=Scope.values,
            metavar="SCOPE",
            help=f"What it opens, of {', '.join(Scope.values)} (default: {Scope.RATE.value}).",
        )
        create.add_argument(
            "--limit", type=int, metavar="N", help="Requests a minute (default: RATE_LIMIT)."
        )
        create.add_argument(
            "--days", type=int, metavar="N", help="Days until it expires (default: never)."
        )
        actions.add_parser("list", help="All keys, without themselves.")
        revoke = actions.add_parser("revoke", help="Let a key open nothing any more.")
        revoke.add_argument("prefix", help="How it begins, as list shows it.")

    def handle(self, *args: Any, **options: Any) -> None:
        match options["action"]:
            case "create":
                self._create(options)
            case "list":
                self._list()
            case _:
                self._revoke(options["prefix"])

    def _create(self, options: dict[str, Any]) -> None:
        days = options["days"]
        if days is not None and days < 1:
            raise CommandError(f"--days must be 1 or more, but it is {days}.")
        try:
            _key, secret = ApiKey.objects.issue(
                options["name"],
                scopes=options["scopes"],
                limit_per_minute=options["limit"],
                expires_at=timezone.now() + timedelta(days=days) if days else None,
            )
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        self.stdout.write(secret)
        self.stderr.write("Copy it now: its digest alone is kept.")

    def _list(self) -> None:
        for key in ApiKey.objects.order_by("created_at"):
            limit = f"{key.limit_per_minute} a minute" if key.limit_per_minute else "RATE_LIMIT"
            used = f"{key.last_used_at:%Y-%m-%d %H:%M}" if key.last_used_at else "never"
            columns = [f"{key.prefix}…", _state(key), ",".join(key.scopes), limit]
            self.stdout.write("  ".join([*columns, f"used {used}", key.name]))

    def _revoke(self, prefix: str) -> None:
        key = ApiKey.objects.filter(prefix=prefix.removesuffix("…")).first()
        if key is None:
            raise CommandError(f"No key begins with {prefix!r}; manage.py api_key list shows all.")
        if not key.revoke():
            raise CommandError(f"{key} is revoked already.")
        self.stdout.write(f"{key} is revoked; it stops working within seconds.")


def _state(key: ApiKey) -> str:
    if key.revoked_at:
        return "revoked"
    if key.is_expired:
        return "expired"
    return f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "good"
