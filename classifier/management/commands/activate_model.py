"""manage.py activate_model: let all processes serve another version of the model."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from classifier.exceptions import ClassifierError
from classifier.versions.activation import activate, find_version, roll_back
from classifier.versions.answers import set_shadow
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
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
        instead = parser.add_mutually_exclusive_group()
        instead.add_argument("--register-only", action="store_true", help="make it a candidate")
        instead.add_argument(
            "--shadow",
            type=float,
            metavar="PERCENT",
            help="make it a candidate that rates so much of the live traffic unheard; 0 ends it",
        )
        parser.add_argument(
            "--reason",
            default="",
            help="kept in the audit log; needed where the gate is not passed (compare_models)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        model = options["model"]
        if bool(model) == options["roll_back"]:
            raise CommandError("Give either a model or --roll-back.")
        share = options["shadow"]
        if share is not None and not 0 <= share <= 100:
            raise CommandError(f"--shadow is a percentage, 0 to 100, but it is {share:g}.")
        try:
            if options["roll_back"]:
                version = roll_back(actor=None, reason=options["reason"])
            else:
                version = find_version(model)
                if options["register_only"]:
                    self.stdout.write(f"{version} is a {version.status}")
                    return
                if share is not None:
                    set_shadow(version, share / 100)
                    self.stdout.write(f"{version} rates {share:g} % of the live traffic, unheard.")
                    return
                activate(version, actor=None, reason=options["reason"])
        except ClassifierError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"The model's files cannot be kept: {error}.") from error
        self.stdout.write(f"{version} is active; running processes take it over within seconds.")
