"""manage.py install_starter: the model that a fresh clone serves."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from classifier.exceptions import ModelNotReady
from classifier.starter import installer


class Command(BaseCommand):
    help = "Puts the bundled adapter on its base model, once; without --verbosity 2 silent if done."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            target = installer.directory(settings.MODELS_DIR)
            if target.is_dir():
                if options["verbosity"] > 1:
                    self.stdout.write(f"The starter model is in {target}")
                return
            self.stdout.write("Installing the starter model, some seconds ...")
            self.stdout.write(f"The starter model is in {installer.install(settings.MODELS_DIR)}")
        except ModelNotReady as error:
            raise CommandError(str(error)) from error
