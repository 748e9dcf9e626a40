"""manage.py predict: rate texts from the terminal; they are kept like any others."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from classifier.api.predict import prediction_answer
from classifier.exceptions import InvalidText, ModelNotReady
from classifier.models import Prediction
from classifier.services import rate, review_text
from classifier.task import WrongPair
from reviewsite.commands import SiteCommand

CHUNK = 32  # texts rated and kept at once


class Command(SiteCommand):
    help = "Rates a text or each line of a file; a bad line is named and the rest goes on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("text", nargs="?", help="the review")
        what.add_argument("--file", type=Path, help="a UTF-8 text file with one review a line")
        parser.add_argument(
            "--json", action="store_true", help="one JSON object a line, as the API"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        texts, bad = self._read(options)
        try:
            for start in range(0, len(texts), CHUNK):
                for prediction in rate(
                    texts[start : start + CHUNK], source=Prediction.Source.COMMAND
                ):
                    self._write(prediction, as_json=options["json"])
        except (ModelNotReady, WrongPair) as error:
            raise CommandError(str(error)) from error
        if bad:
            raise CommandError(f"{bad} of {len(texts) + bad} texts could not be rated.")

    def _read(self, options: dict[str, Any]) -> tuple[list[str], int]:
        """The texts that can be rated, and how many cannot."""
        if options["file"] is None:
            lines = [options["text"]]
        else:
            try:
                # Not splitlines(), which also breaks at U+0085 and other characters in reviews.
                lines = options["file"].read_text(encoding="utf-8-sig").rstrip("\n").split("\n")
            except (OSError, UnicodeDecodeError) as error:
                raise CommandError(
                    f"--file must be a readable text file in UTF-8, but: {error}. Convert it."
                ) from error
        texts, bad = [], 0
        for number, line in enumerate(lines, start=1):
            try:
                texts.append(review_text(line))
            except InvalidText as error:
                bad += 1
                self.stderr.write(self.style.ERROR(f"line {number}: {error}"))
        return texts, bad

    def _write(self, prediction: Prediction, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(prediction_answer(prediction)))
            return
        excerpt = " ".join(prediction.text.split())[:60]
        interval = prediction.rating_interval
        between = " ({} to {})".format(*interval) if interval else ""
        rating = "" if prediction.rating is None else f"{prediction.rating:2}/10{between}  "
        self.stdout.write(f"{rating}{prediction.label:8}  {prediction.score:.3f}  {excerpt}")
