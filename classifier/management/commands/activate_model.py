"""manage.py activate_model: let all processes serve another version of the model."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from classifier.exceptions import ClassifierError
from classifier.versions.activation import activate, find_version, roll_back


class Command(BaseCommand):
    help = (
        "Activates a model in every web and worker process, without a restart: it is registered, "
        "checked, and taken over within seconds. A broken one is refused, and nothing changes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "model",
            nargs="?",
            help="name@revision of a version, a name under MODELS_DIR, or a directory",
        )
        parser.add_argument(
            "--roll-back", action="store_true", help="go back to the version before"
        )
        parser.add_argument("--register-only", action="store_true", help="make it a candidate")
        parser.add_argument(
            "--reason",
            default="",
            help="kept in the audit log; needed where the gate is not passed (compare_models)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        model = options["model"]
        if bool(model) == options["roll_back"]:
            raise CommandError("Give either a model or --roll-back.")
        try:
            if options["roll_back"]:
                version = roll_back(actor=None, reason=options["reason"])
            else:
                version = find_version(model)
                if options["register_only"]:
                    self.stdout.write(f"{version} is a {version.status}")
                    return
                activate(version, actor=None, reason=options["reason"])
        except ClassifierError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"The model's files cannot be kept: {error}.") from error
        self.stdout.write(f"{version} is active; running processes take it over within seconds.")
