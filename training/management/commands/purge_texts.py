"""manage.py purge_texts: delete texts that somebody wants gone."""

import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from classifier import purging
from classifier.exceptions import InvalidText
from classifier.models import Prediction, PredictionQuerySet, text_digest
from classifier.texts import clean_review_text
from reviewsite.commands import SiteCommand
from training.verdicts.snapshots import purge_snapshots

DIGEST = re.compile(r"[0-9a-f]{64}")


class Command(SiteCommand):
    help = (
        "Deletes texts from predictions, from files of reviews that hold them, and from the data "
        "that runs on this host keep. Digests, scores and verdicts stay."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument(
            "--older-than-days", type=int, metavar="N", help="all that is older than that"
        )
        which.add_argument(
            "--digest", nargs="+", metavar="SHA256", help="every copy of the texts with these"
        )
        which.add_argument(
            "--prediction", nargs="+", metavar="ID", help="the texts of these, and every copy"
        )
        which.add_argument(
            "--text-file",
            type=Path,
            metavar="FILE",
            help="every copy of the text that is in this file; - reads standard input",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["older_than_days"] is not None:
            days = options["older_than_days"]
            if days < 0:
                raise CommandError(f"--older-than-days must be 0 or more, but it is {days}.")
            before = timezone.now() - timedelta(days=days)
            found = Prediction.objects.filter(created_at__lt=before)
            digests = _digests(found)
            files = purging.purge_files_before(before)
        else:
            digests = self._wanted(options)
            found = Prediction.objects.filter(text_sha256__in=digests)
            files = purging.purge_files_with(digests)
        rows = purge_snapshots(settings.RUNS_DIR, digests)
        texts = purging.purge_texts(found, reason="manage.py purge_texts")
        self.stdout.write(
            f"Deleted: {texts:,} texts of predictions, the files of {files.purged:,} bulk jobs, "
            f"{rows:,} rows of training data."
        )
        if files.busy:
            raise CommandError(
                f"{files.busy:,} bulk jobs are at work and keep their files until they are over. "
                "Cancel them or wait, and run this again."
            )

    def _wanted(self, options: dict[str, Any]) -> set[str]:
        if options["digest"]:
            if wrong := [one for one in options["digest"] if not DIGEST.fullmatch(one)]:
                raise CommandError(
                    f"A digest is 64 digits of 0-9 and a-f, but one is {wrong[0][:80]!r}."
                )
            return set(options["digest"])
        if options["prediction"]:
            return self._of_predictions(options["prediction"])
        file = options["text_file"]
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
            cleaned = clean_review_text(text, max_chars=settings.CLASSIFIER_MAX_CHARS)
        except (OSError, UnicodeDecodeError, InvalidText) as error:
            raise CommandError(f"{file} cannot be read as a text: {error}") from error
        return {text_digest(cleaned)}

    def _of_predictions(self, given: list[str]) -> set[str]:
        try:
            ids = {UUID(one) for one in given}
        except ValueError as error:
            raise CommandError(f"The id of a prediction is a UUID: {error}.") from error
        found = Prediction.objects.filter(pk__in=ids)
        if lost := ids - set(found.values_list("pk", flat=True)):
            raise CommandError(f"There is no prediction {min(lost)}. Nothing was deleted.")
        return _digests(found)


def _digests(predictions: PredictionQuerySet) -> set[str]:
    return set(predictions.order_by().values_list("text_sha256", flat=True))
