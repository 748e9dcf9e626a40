"""manage.py import_verdicts: reviews that were labelled elsewhere, as verdicts."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from classifier.exceptions import ClassifierError
from classifier.review.importing import Columns, Imported, import_verdicts
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = (
        "Takes each row of a labelled file (CSV, TSV, JSONL, XLSX, Parquet) as a verdict on the "
        "prediction of its text; a text that is not known is rated first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("input", type=Path, metavar="IN", help="the labelled file")
        parser.add_argument("--reviewer", help="whose verdicts they are, where a row says nothing")
        parser.add_argument("--text-column", default="text", help="with the review")
        parser.add_argument("--label-column", default="label", help="positive or negative")
        parser.add_argument("--rating-column", default="rating", help="1 to 10")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = import_verdicts(
                options["input"],
                reviewer=account(options["reviewer"]),
                columns=Columns(
                    text=options["text_column"],
                    label=options["label_column"],
                    rating=options["rating_column"],
                ),
            )
        except ClassifierError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{options['input']} cannot be read: {error}.") from error
        report(self, done)


def report(command: BaseCommand, done: Imported) -> None:
    """Say what came of a file.

    Raises:
        CommandError: no row of it is a verdict.
    """
    for row, problem in done.problems:
        command.stderr.write(f"Row {row}: {problem}")
    command.stdout.write(done.summary)
    if done.bad and not done.verdicts and not done.unchanged:
        raise CommandError("No row of the file is a verdict.")


def account(name: str | None) -> Any:
    """The account of this name, None for none.

    Raises:
        CommandError: this site has no such account.
    """
    if name is None:
        return None
    user = get_user_model().objects.filter(username=name).first()
    if user is None:
        raise CommandError(
            f"--reviewer must be an account of this site. Found: {name!r}. "
            "Create it in the admin, or leave --reviewer out."
        )
    return user
