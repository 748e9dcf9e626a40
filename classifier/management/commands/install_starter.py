"""manage.py install_starter: the model that a fresh clone serves."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from classifier.exceptions import ModelNotReady
from classifier.starter import installer
from reviewsite.commands import SiteCommand


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """transformers reports that the base has no head, which is why there is an adapter."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by an old name
            yield
    finally:
        logging.enable_progress_bar()
        logging.set_verbosity(verbosity)


class Command(SiteCommand):
    help = "Puts the bundled adapter on its base model, once; without --verbosity 2 silent if done."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            target = installer.directory(settings.MODELS_DIR)
            if target.is_dir() and installer.is_complete(target):
                if options["verbosity"] > 1:
                    self.stdout.write(f"The starter model is in {target}")
                return
            self.stdout.write("Installing the starter model, some seconds ...")
            with _quiet_libraries():
                installer.install(settings.MODELS_DIR)
            self.stdout.write(f"The starter model is in {target}")
        except ModelNotReady as error:
            raise CommandError(str(error)) from error
