"""manage.py backup: the whole site in one file, while it runs."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from reviewsite.backup import BackupError, back_up
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = (
        "Writes database, models, runs and pseudo-labelled texts to one archive with a manifest of "
        "sizes and SHA-256, while the site runs. It holds texts and password hashes; the key that "
        "signs sessions is not in it unless you say so."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="to write, such as site.tar; must not be there")
        parser.add_argument(
            "--secret-key", action="store_true", help="with VAR_DIR/secret_key, where there is one"
        )

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            made = back_up(file, secret_key=options["secret_key"])
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        for name in made.gone:
            self.stdout.write(f"Deleted before its turn, and not in it: {name}")
        self.stdout.write(f"{made.file}: {made.files} files, {made.size:,} bytes")
