"""manage.py pretrain: an encoder reads texts of its domain before it is fine-tuned."""

from argparse import ArgumentParser
from textwrap import fill, indent
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from classifier.exceptions import ModelNotReady
from training.config import ConfigError, with_overrides
from training.distribution import is_main_process, leave, process_count
from training.management.flags import add_flags, given_flags, going_on
from training.pretraining.config import PretrainingConfig
from training.recipes import PRETRAINING
from training.records import recorded_config


class Command(BaseCommand):
    help = (
        "Goes on training an encoder to guess masked words, on the texts of a data set, labelled "
        "or not; the result is no classifier, but a base for finetune --base-model."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--recipe", help="start from a file of training/recipes/pretraining")
        parser.add_argument(
            "--name", help="of the run and of its encoder; default: data set and time"
        )
        parser.add_argument(
            "--resume",
            action="store_true",
            help="go on from the last checkpoint of the run called --name",
        )
        instead = parser.add_argument_group("instead of training").add_mutually_exclusive_group()
        instead.add_argument(
            "--list-recipes", action="store_true", help="what each recipe is for, and nothing else"
        )
        instead.add_argument(
            "--dry-run",
            action="store_true",
            help="print what would run, with sizes and an estimate of time",
        )
        add_flags(parser, PretrainingConfig.kinds())

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list_recipes"]:
            return self._list_recipes()
        # Here, not at the top: pandas would slow every manage.py --help.
        from training.hub import HubError
        from training.reading import DataError

        try:
            name, config = _run(options)
            if options["dry_run"]:
                self._dry_run(config)
            else:
                self._train(config, name, resume=options["resume"])
        except (ConfigError, DataError, HubError, ModelNotReady) as error:
            raise CommandError(str(error)) from error
        leave()

    def _list_recipes(self) -> None:
        for name in PRETRAINING.names():
            config = PRETRAINING.load(name)
            self.stdout.write(self.style.MIGRATE_HEADING(name))
            self.stdout.write(indent(fill(PRETRAINING.description(name), 76), "  "))
            self.stdout.write(f"  {config.model.base_model} on {config.data.dataset}\n")

    def _dry_run(self, config: PretrainingConfig) -> None:
        from training.pretraining.plan import plan_run

        plan = plan_run(config, models_dir=settings.MODELS_DIR, datasets_dir=settings.DATASETS_DIR)
        self.stdout.write(plan.to_text())

    def _train(self, config: PretrainingConfig, name: str, *, resume: bool) -> None:
        from training.pretraining.run import run_pretraining
        from training.tracking import tracking_uri

        with going_on("pretrain", f"--name {name}"):
            result = run_pretraining(
                config,
                name=name,
                models_dir=settings.MODELS_DIR,
                runs_dir=settings.RUNS_DIR,
                datasets_dir=settings.DATASETS_DIR,
                resume=resume,
                tracking_uri=tracking_uri(settings.VAR_DIR),
            )
        if not is_main_process():
            return
        for key, value in result.metrics.items():
            shown = f"{value:,.0f}" if key.endswith("_tokens") else f"{value:.4f}"
            self.stdout.write(f"{key:28} {shown}")
        self.stdout.write(self.style.SUCCESS(f"\nThe encoder is in {result.model_dir}"))
        self.stdout.write(f"Fine-tune it: manage.py finetune --base-model {name} --dataset ...")


def _run(options: dict[str, Any]) -> tuple[str, PretrainingConfig]:
    """The run's name and parameters: those given, or with --resume those it was started with."""
    kinds = PretrainingConfig.kinds()
    given = given_flags(options, kinds)
    if options["resume"]:
        if given or options["recipe"] or not options["name"]:
            raise ConfigError(
                "--resume goes on with the parameters that the run was started with, so it takes "
                f"--name and nothing else, but it is given {', '.join(sorted(given)) or 'others'}. "
                "Give --name and --resume alone."
            )
        return options["name"], recorded_config(
            PretrainingConfig, settings.RUNS_DIR, options["name"]
        )
    if options["recipe"]:
        config = PRETRAINING.load(options["recipe"], given)
    else:
        config = PretrainingConfig.from_sections(with_overrides({}, given, kinds=kinds))
    if process_count() > 1 and not options["name"]:
        raise ConfigError(
            f"The {process_count()} processes of a run must share its name, but none is given. "
            "Give --name."
        )
    from training.services import default_name

    return options["name"] or default_name(config.data.dataset), config
