"""manage.py reference: write docs/reference, as far as the code says it."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from classifier.api.error_sources import ROOT
from classifier.management.reference import reference
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = (
        "Writes docs/reference (the API's schema, errors, settings, commands) and the catalogue of "
        "errors from the code."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to write into")

    def handle(self, *args: Any, root: Path, **options: Any) -> None:
        for path, content in reference().items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content, encoding="utf-8")
            self.stdout.write(str(path))
