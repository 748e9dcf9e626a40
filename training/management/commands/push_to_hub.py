"""manage.py push_to_hub: a model of this site to the Hub."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from classifier.artefact import open_artefact
from classifier.exceptions import ModelNotReady
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = (
        "Pushes a model with its card to the Hub, in one commit, into a private repository. "
        "HF_TOKEN is the token, HF_ENDPOINT the Hub."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", help="the run that made the model, or a model's directory")
        parser.add_argument("--repo", required=True, help="user/name; made where it is missing")
        parser.add_argument(
            "--public", action="store_true", help="everyone may read it (default: private)"
        )
        parser.add_argument(
            "--replace",
            action="store_true",
            help="overwrite, and remove, whatever else the repository holds",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        from training.hub import HubError, push_model

        try:
            artefact = open_artefact(options["run"], models_dir=settings.MODELS_DIR)
            pushed = push_model(
                artefact.directory,
                options["repo"],
                private=not options["public"],
                replace=options["replace"],
            )
        except (HubError, ModelNotReady) as error:
            raise CommandError(str(error)) from error
        visibility = "private" if pushed.private else "public"
        done = "holds" if pushed.changed else "held already"
        self.stdout.write(
            self.style.SUCCESS(f"{pushed.url} ({visibility}) {done} {artefact.name}, verified")
        )
        self.stdout.write(f"Fetch it: manage.py pull_model {pushed.repo_id}@{pushed.commit[:12]}")
