"""manage.py export_verdicts: what reviewers said, as a file."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from classifier.exceptions import ClassifierError
from classifier.models import Verdict
from classifier.review.exporting import FORMATS, export_verdicts
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = (
        "Writes every verdict with its prediction into a file: "
        f"{', '.join(FORMATS)}. import_verdicts reads it again, here or elsewhere."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("output", type=Path, metavar="OUT", help="where the file goes")
        parser.add_argument("--force", action="store_true", help="replace OUT")
        parser.add_argument(
            "--with-text-only", action="store_true", help="leave out those whose text is purged"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["output"]
        if path.exists() and not options["force"]:
            raise CommandError(
                f"The result must be a new file. Found: {path}. Give another name, or --force."
            )
        verdicts = Verdict.objects.all()
        try:
            count = export_verdicts(
                path, verdicts.with_text() if options["with_text_only"] else verdicts
            )
        except ClassifierError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(
                f"{path} cannot be written: {error}. Nothing is left of it."
            ) from error
        self.stdout.write(f"{count:,} verdicts written to {path}")
