"""manage.py pull_model: a model of the Hub into the models folder, to serve or to train on."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from classifier.exceptions import ModelNotReady
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = (
        "Fetches a text classifier from the Hub, once: safetensors only, every file verified. "
        "HF_ENDPOINT is the Hub; HF_TOKEN opens private repositories."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "source", help="user/name or user/name@revision (a branch, a tag or a commit)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from training.hub import HubError, pull_model

        try:
            pulled = pull_model(options["source"], models_dir=settings.MODELS_DIR)
        except (HubError, ModelNotReady) as error:
            raise CommandError(str(error)) from error
        if pulled.fetched:
            # Here, not at the top: torch takes seconds to import.
            from classifier.onnx_export import export_if_possible

            export_if_possible(pulled.directory)
        done = "is in" if pulled.fetched else "was already in"
        self.stdout.write(
            self.style.SUCCESS(f"{pulled.repo_id}@{pulled.commit} {done} {pulled.directory}")
        )
        self.stdout.write(f"Activate it: manage.py activate_model {pulled.name}")
