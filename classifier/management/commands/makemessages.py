"""In place of Django's own, which needs GNU gettext."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from reviewsite.catalogue import LANGUAGES, catalogue_of, read, renew, renewed
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = "Brings the catalogues under locale/ up to date with the code, and lists what is left."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="write nothing, and fail where that would change"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for language in LANGUAGES:
            file = catalogue_of(language)
            if options["check"]:
                if not file.is_file() or file.read_bytes() != renewed(language):
                    raise CommandError(
                        f"A catalogue must have the messages of the code. Found: {language}'s has "
                        "not. Run: make messages"
                    )
                continue
            renew(language)
            for each in read(file):
                if each.id and not (all(each.string or ()) if each.pluralizable else each.string):
                    said = each.id[0] if each.pluralizable else each.id
                    self.stdout.write(f"{language}: not translated: {said}")
