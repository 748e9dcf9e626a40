"""manage.py prepare: everything under var/ that the site needs before it starts."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

from classifier.artefact import STARTER
from reviewsite.catalogue import LANGUAGES, is_compiled
from reviewsite.commands import SiteCommand

WELCOME = """
Reviewsite starts now; in some seconds it answers here (Ctrl-C stops it):

  rate a review     http://{address}/
  API with examples http://{address}/api/docs
  review them       http://{address}/admin/   (make admin creates your account)
"""


class Command(SiteCommand):
    help = "Makes database, translations, static files and starter ready. Quick where they are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--quiet", action="store_true", help="do not say where to click")

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        if not all(map(is_compiled, LANGUAGES)):
            call_command("compilemessages")
        if static_files_changed():
            call_command("collectstatic", verbosity=0, interactive=False)
        if settings.CLASSIFIER_MODEL == STARTER:
            call_command("install_starter")
        if not options["quiet"]:
            address = os.environ.get("BIND", "127.0.0.1:8000")
            self.stdout.write(WELCOME.format(address=address))


def static_files_changed() -> bool:
    """Whether a static file is newer than the last collection, which takes seconds."""
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    if not manifest.is_file():
        return True
    collected = manifest.stat().st_mtime
    return any(
        Path(storage.path(name)).stat().st_mtime > collected
        for finder in get_finders()
        for name, storage in finder.list([])
    )
