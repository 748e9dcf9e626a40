"""manage.py push_verdicts: what reviewers said, as a data set of the Hub."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from classifier.exceptions import ClassifierError
from classifier.models import Verdict
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = (
        "Pushes every verdict with its text to the Hub, as a data set with a train and a test "
        "split, in one commit, into a private repository. HF_TOKEN is the token, HF_ENDPOINT the "
        "Hub. pull_verdicts reads it again, here or elsewhere."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("repo", help="user/name; made where it is missing")
        parser.add_argument(
            "--public", action="store_true", help="everyone may read it (default: private)"
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="overwrite, and remove, whatever else the repository holds",
        )
        parser.add_argument(
            "--with-reviewers",
            action="store_true",
            help="with the names of the reviewers' accounts (default: without)",
        )
        parser.add_argument(
            "--since",
            type=_time,
            help="those alone that were given at this date or time or later (ISO 8601)",
        )
        parser.add_argument(
            "--language", type=_language, help="of the texts, such as en, for the card"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from training.hub import Hub, HubError, push_dataset
        from training.verdicts.exchange import working_folder, write_dataset

        verdicts = Verdict.objects.all()
        if options["since"]:
            verdicts = verdicts.filter(reviewed_at__gte=options["since"])
        repo, visibility = options["repo"], "public" if options["public"] else "private"
        try:
            hub = Hub.from_environment()
            with working_folder() as folder:
                dataset = write_dataset(
                    verdicts,
                    folder,
                    with_reviewers=options["with_reviewers"],
                    language=options["language"] or "",
                )
                train, test = dataset.rows.values()
                self.stdout.write(
                    f"{train:,} rows (train) and {test:,} rows (test) go to {hub.shown}/datasets/"
                    f"{repo} ({visibility}). They contain visitors' texts and reviewers' notes, "
                    f"{'and' if options['with_reviewers'] else 'not'} the reviewers' names; "
                    f"{dataset.purged:,} verdicts whose text is purged stay here."
                )
                pushed = push_dataset(
                    dataset.files,
                    repo,
                    private=not options["public"],
                    replace=options["replace"],
                    hub=hub,
                )
        except (HubError, ClassifierError) as error:
            raise CommandError(str(error)) from error
        visibility = "private" if pushed.private else "public"
        done = "holds" if pushed.changed else "held already"
        self.stdout.write(self.style.SUCCESS(f"{pushed.url} ({visibility}) {done} them, verified"))
        self.stdout.write(
            f"Fetch them: manage.py pull_verdicts {pushed.repo_id}@{pushed.commit[:12]}"
        )


def _time(value: str) -> datetime:
    try:
        day = parse_date(value)
        time = datetime(day.year, day.month, day.day) if day else parse_datetime(value)
    except ValueError:
        time = None
    if time is None:
        raise ArgumentTypeError(
            f"--since is a date or a time, but it is {value[:50]!r}. Try 2026-01-31."
        )
    return time if time.tzinfo else timezone.make_aware(time)


def _language(value: str) -> str:
    if not re.fullmatch("[a-z]{2,3}", value):
        raise ArgumentTypeError(
            f"--language is a code of ISO 639, but it is {value[:50]!r}. Try en."
        )
    return value
