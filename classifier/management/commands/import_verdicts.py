"""manage.py import_verdicts: reviews that were labelled elsewhere, as verdicts."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from classifier.exceptions import ClassifierError
from classifier.review.importing import import_verdicts


class Command(BaseCommand):
    help = (
        "Takes each row of a labelled file (CSV, TSV, JSONL, XLSX, Parquet) as a verdict on the "
        "prediction of its text; a text that is not known is rated first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("input", type=Path, metavar="IN", help="the labelled file")
        parser.add_argument("--reviewer", help="whose verdicts they are, where a row says nothing")
        parser.add_argument("--text-column", default="text")
        parser.add_argument("--label-column", default="label")
        parser.add_argument("--rating-column", default="rating", help="1 to 10")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = import_verdicts(
                options["input"],
                reviewer=_user(options["reviewer"]),
                text_column=options["text_column"],
                label_column=options["label_column"],
                rating_column=options["rating_column"],
            )
        except ClassifierError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{options['input']} cannot be read: {error}.") from error
        for row, problem in done.problems:
            self.stderr.write(f"Row {row}: {problem}")
        self.stdout.write(
            f"{done.verdicts:,} verdicts given or changed, {done.unchanged:,} were so already, "
            f"{done.bad:,} rows are bad; {done.rated:,} texts were rated first."
        )
        if done.bad and not done.verdicts and not done.unchanged:
            raise CommandError("No row of the file is a verdict.")


def _user(name: str | None) -> Any:
    if name is None:
        return None
    user = get_user_model().objects.filter(username=name).first()
    if user is None:
        raise CommandError(
            f"--reviewer must be an account of this site. Found: {name!r}. "
            "Create it in the admin, or leave --reviewer out."
        )
    return user
