"""manage.py pull_verdicts: a data set of verdicts on the Hub, into this site."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from classifier.exceptions import ClassifierError
from classifier.management.commands.import_verdicts import account, report
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = (
        "Fetches a data set that push_verdicts has pushed, every file verified, and takes each row "
        "as a verdict, as import_verdicts does. HF_ENDPOINT is the Hub; HF_TOKEN opens private "
        "repositories."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "source", help="user/name or user/name@revision (a branch, a tag or a commit)"
        )
        parser.add_argument("--reviewer", help="whose verdicts they are, where a row says nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        from training.hub import HubError
        from training.verdicts.exchange import pull_verdicts

        reviewer = account(options["reviewer"])
        try:
            for name, done in pull_verdicts(options["source"], reviewer=reviewer):
                self.stdout.write(f"{name}:")
                report(self, done)
        except (HubError, ClassifierError) as error:
            raise CommandError(str(error)) from error
