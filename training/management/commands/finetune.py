"""manage.py finetune: a run in the foreground, with its progress on the terminal."""

import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill, indent
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from classifier.exceptions import ModelNotReady
from training.config import REVIEWED, SECTIONS, ConfigError, FinetuningConfig, with_overrides
from training.distribution import is_main_process, leave, process_count
from training.management.flags import add_flags, given_flags, going_on
from training.names import require_name, require_new_name
from training.recipes import load_recipe, recipe_description, recipe_names
from training.reviewed import with_reviewed

if TYPE_CHECKING:
    from training.finetuning import FinetuningResult


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
            "--seeds",
            type=int,
            nargs="+",
            metavar="SEED",
            help="one run a seed, called NAME-seed0, ...; then each measure's mean and deviation",
        )
        parser.add_argument(
            "--resume",
            action="store_true",
            help="go on from the last checkpoint of the run called --name; with --seeds, with "
            "those of its runs that have not ended",
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
        instead.add_argument(
            "--generate-only",
            type=Path,
            metavar="CSV",
            help="write the rows that --generate makes to this file, to be read before training",
        )
        add_flags(parser, SECTIONS)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list_recipes"]:
            return self._list_recipes()
        # Here, not at the top: pandas and scikit-learn would slow every manage.py --help.
        from training.hub import HubError
        from training.reading import DataError

        try:
            name, config = _run(options)
            if options["dry_run"]:
                with _reviewed_aside(config) as config:
                    self._dry_run(config)
            elif options["generate_only"]:
                with _reviewed_aside(config) as config:
                    self._generate_only(config, options["generate_only"])
            elif options["seeds"]:
                self._train_series(config, name, options["seeds"], resume=options["resume"])
            else:
                self._train(config, name, resume=options["resume"])
        except (ConfigError, DataError, HubError, ModelNotReady) as error:
            raise CommandError(str(error)) from error
        leave()

    def _list_recipes(self) -> None:
        for name in recipe_names():
            config = load_recipe(name)
            self.stdout.write(self.style.MIGRATE_HEADING(name))
            self.stdout.write(indent(fill(recipe_description(name), 76), "  "))
            self.stdout.write(f"  {config.model.base_model} on {config.data.dataset}\n")

    def _dry_run(self, config: FinetuningConfig) -> None:
        from training.plan import plan_run

        plan = plan_run(
            config,
            models_dir=settings.MODELS_DIR,
            runs_dir=settings.RUNS_DIR,
            datasets_dir=settings.DATASETS_DIR,
            pseudo_dir=settings.PSEUDO_DIR,
        )
        self.stdout.write(plan.to_text())

    def _generate_only(self, config: FinetuningConfig, path: Path) -> None:
        from training.augmentation import augment_rows, export_generated
        from training.data import load_splits

        seed = config.training.seed
        splits = load_splits(config.data, datasets_dir=settings.DATASETS_DIR, seed=seed)
        rows = augment_rows(
            splits.train,
            config.augmentation,
            labels=splits.labels,
            seed=seed,
            device=config.training.device,
        )
        count = export_generated(rows, path, labels=splits.labels)
        self.stdout.write(f"{count:,} generated rows are in {path}")

    def _train(self, config: FinetuningConfig, name: str, *, resume: bool) -> None:
        if config.data.dataset == REVIEWED and is_main_process():
            # Before anything is written there.
            require_new_name(
                name, run_dir=settings.RUNS_DIR / name, model_dir=settings.MODELS_DIR / name
            )
        config = with_reviewed(config, settings.RUNS_DIR / name)
        with going_on("finetune", f"--name {name}"):
            result = _finetune(config, name, resume=resume)
        if not is_main_process():
            return
        for key, value in result.metrics.items():
            shown = f"{value:.0f}" if key.endswith("_rows") else f"{value:.4f}"
            self.stdout.write(f"{key:28} {shown}")
        self.stdout.write(self.style.SUCCESS(f"\nThe model is in {result.model_dir}"))
        self._register(name)

    def _train_series(
        self, config: FinetuningConfig, series: str, seeds: list[int], *, resume: bool
    ) -> None:
        from training.comparison import Group, compare, load_run
        from training.series import has_begun, require_series, run_series

        require_series(config, seeds)
        if config.data.dataset == REVIEWED:
            require_name(series)
        # Once, also for seeds that are added later: they are compared on the same rows.
        begun = has_begun(settings.RUNS_DIR, series)
        config = with_reviewed(config, settings.RUNS_DIR / series, begun=begun)
        with going_on("finetune", f"--name {series} --seeds {' '.join(map(str, seeds))}"):
            results = run_series(
                config,
                seeds,
                series=series,
                models_dir=settings.MODELS_DIR,
                runs_dir=settings.RUNS_DIR,
                resume=resume,
                run=lambda config, name, resume: _finetune(config, name, resume=resume),
            )
        names = [result.model_dir.name for result in results]
        runs = tuple(load_run(name, runs_dir=settings.RUNS_DIR) for name in names)
        self.stdout.write(compare([Group(series, runs)]).to_markdown(), ending="")
        self.stdout.write(self.style.SUCCESS(f"\nThe runs are {', '.join(names)}"))
        self.stdout.write(f"Compare: manage.py compare_runs {' '.join(names)} OTHER ...")
        for name in names:
            self._register(name)

    def _register(self, name: str) -> None:
        """Make the model of a run a candidate, and say what can be done with it."""
        from classifier.versions.activation import register

        try:
            version = register(name, source=f"run {name}")
        except ModelNotReady as error:
            self.stdout.write(f"{name} is no candidate to be activated: {error}")
        except (Error, OSError) as error:
            said = (str(error).splitlines() or [type(error).__name__])[0]
            self.stdout.write(
                f"{name} is not registered as a model version ({said}). Where the site's database "
                f"is, register and activate it: manage.py activate_model {name}"
            )
            self.stdout.write(f"Serve it: CLASSIFIER_MODEL={name} make run")
        else:
            self.stdout.write(f"{version} is a {version.status}.")
            self.stdout.write(f"Activate it: manage.py activate_model {name}")


def _finetune(config: FinetuningConfig, name: str, *, resume: bool) -> "FinetuningResult":
    from training.finetuning import run_finetuning
    from training.tracking import tracking_uri

    return run_finetuning(
        config,
        name=name,
        models_dir=settings.MODELS_DIR,
        runs_dir=settings.RUNS_DIR,
        datasets_dir=settings.DATASETS_DIR,
        pseudo_dir=settings.PSEUDO_DIR,
        resume=resume,
        tracking_uri=tracking_uri(settings.VAR_DIR),
    )


@contextmanager
def _reviewed_aside(config: FinetuningConfig) -> Iterator[FinetuningConfig]:
    """`config` with the reviewed rows in a place that goes away, if it names them."""
    with tempfile.TemporaryDirectory() as directory:
        yield with_reviewed(config, Path(directory))


def _run(options: dict[str, Any]) -> tuple[str, FinetuningConfig]:
    """The run's name and parameters: those given, or with --resume those it was started with."""
    given = given_flags(options, SECTIONS)
    if options["resume"]:
        if given or options["recipe"] or not options["name"]:
            raise ConfigError(
                "--resume goes on with the parameters that the run was started with, so it takes "
                "--name, with several runs --seeds, and nothing else, but it is given "
                f"{', '.join(sorted(given)) or 'others'}. Give --name and --resume alone."
            )
        from training.finetuning import recorded_config
        from training.series import recorded_series

        if options["seeds"]:
            return options["name"], recorded_series(
                settings.RUNS_DIR, options["name"], options["seeds"]
            )
        return options["name"], recorded_config(settings.RUNS_DIR, options["name"])
    if options["seeds"] and "seed" in given:
        raise ConfigError(
            f"--seeds gives the seed of each run, but --seed is {given['seed']}, too. "
            "Leave one out."
        )
    if options["recipe"]:
        config = load_recipe(options["recipe"], given)
    else:
        config = FinetuningConfig.from_sections(with_overrides({}, given))
    if process_count() > 1 and not options["name"]:
        raise ConfigError(
            f"The {process_count()} processes of a run must share its name, but none is given. "
            "Give --name."
        )
    from training.services import default_name

    return options["name"] or default_name(config.data.dataset), config
