"""manage.py finetune: a run in the foreground, with its progress on the terminal."""

import time
from argparse import ArgumentParser, BooleanOptionalAction
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from classifier.exceptions import ModelNotReady
from training.config import SECTIONS, ConfigError, FinetuningConfig, with_overrides
from training.distribution import is_main_process, process_count


class Command(BaseCommand):
    help = (
        "Fine-tunes a model on labelled texts, measures it and writes it under the models folder."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--recipe", help="start from a file of training/recipes")
        parser.add_argument(
            "--name", help="of the run and of its model; default: data set and time"
        )
        parser.add_argument(
            "--resume",
            action="store_true",
            help="go on from the last checkpoint of the run called --name",
        )
        for section, kind in SECTIONS.items():
            group = parser.add_argument_group(section)
            hints = get_type_hints(kind)
            for item in fields(kind):
                default = "" if item.default is MISSING else f" (default: {item.default})"
                hint = hints[item.name]
                kind_of_value: dict[str, Any] = {"type": hint}
                if hint is bool:
                    kind_of_value = {"action": BooleanOptionalAction}
                elif get_origin(hint) is Literal:
                    kind_of_value = {"choices": get_args(hint)}
                group.add_argument(
                    f"--{item.name.replace('_', '-')}",
                    default=None,
                    help=item.metadata["help"] + default,
                    **kind_of_value,
                )

    def handle(self, *args: Any, **options: Any) -> None:
        # Here, not at the top: pandas and scikit-learn would slow every manage.py --help.
        from training.checkpoints import TrainingStopped
        from training.finetuning import run_finetuning
        from training.hub import HubError
        from training.reading import DataError
        from training.tracking import tracking_uri

        try:
            name, config = _run(options)
        except ConfigError as error:
            raise CommandError(str(error)) from error
        try:
            result = run_finetuning(
                config,
                name=name,
                models_dir=settings.MODELS_DIR,
                runs_dir=settings.RUNS_DIR,
                datasets_dir=settings.DATASETS_DIR,
                resume=options["resume"],
                tracking_uri=tracking_uri(settings.VAR_DIR),
            )
        except (ConfigError, DataError, HubError, ModelNotReady) as error:
            raise CommandError(str(error)) from error
        except TrainingStopped as error:
            raise CommandError(
                f"{error} Go on with: manage.py finetune --name {name} --resume"
            ) from error
        except KeyboardInterrupt as error:
            raise CommandError(
                f"Stopped. Go on with: manage.py finetune --name {name} --resume"
            ) from error
        if not is_main_process():
            return
        for key, value in result.metrics.items():
            shown = f"{value:.0f}" if key.endswith("_rows") else f"{value:.4f}"
            self.stdout.write(f"{key:28} {shown}")
        self.stdout.write(self.style.SUCCESS(f"\nThe model is in {result.model_dir}"))
        self.stdout.write(f"Serve it: CLASSIFIER_MODEL={name} make run")


def _run(options: dict[str, Any]) -> tuple[str, FinetuningConfig]:
    """The run's name and parameters: those given, or with --resume those it was started with."""
    names = {item.name for kind in SECTIONS.values() for item in fields(kind)}
    given = {key: options[key] for key in names if options[key] is not None}
    if options["resume"]:
        if given or options["recipe"] or not options["name"]:
            raise ConfigError(
                "--resume goes on with the parameters that the run was started with, so it takes "
                f"--name and nothing else, but it is given {', '.join(sorted(given)) or 'others'}. "
                "Give --name and --resume alone."
            )
        from training.finetuning import recorded_config

        return options["name"], recorded_config(settings.RUNS_DIR, options["name"])
    if options["recipe"]:
        config = FinetuningConfig.from_recipe(options["recipe"], given)
    else:
        config = FinetuningConfig.from_sections(with_overrides({}, given))
    if process_count() > 1 and not options["name"]:
        raise ConfigError(
            f"The {process_count()} processes of a run must share its name, but none is given. "
            "Give --name."
        )
    return options["name"] or _default_name(config.data.dataset), config


def _default_name(dataset: str) -> str:
    return f"{Path(dataset).stem}-{time.strftime('%Y%m%d-%H%M%S')}"
