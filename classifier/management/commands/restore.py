"""manage.py restore: a site from the archive that manage.py backup wrote."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reviewsite.backup import BackupError, restore

NEXT = """
Next: manage.py prepare     tables of this version, static files, the starter
      manage.py doctor      whether all of it is well
      start the processes   jobs that ran go on within a minute or two
"""


class Command(BaseCommand):
    help = (
        "Puts an archive of `backup` in the place of this site, whose processes are to be stopped. "
        "The archive is verified before anything is touched; one of a newer version, of another "
        "kind of database, or damaged is refused."
    )
    requires_system_checks = []  # of a site that is not there yet

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="that manage.py backup wrote")
        parser.add_argument(
            "--replace", action="store_true", help="delete what this site has, if it is not empty"
        )
        parser.add_argument(
            "--secret-key", action="store_true", help="take over the key in the archive, too"
        )

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            done = restore(file, replace=options["replace"], secret_key=options["secret_key"])
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Restored {done.files} files from {done.file}.{NEXT}")
