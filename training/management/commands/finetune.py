"""manage.py finetune: a run in the foreground, with its progress on the terminal."""

import tempfile
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import Error

from classifier.exceptions import ModelNotReady
from training.config import REVIEWED, ConfigError, FinetuningConfig
from training.learning.distribution import is_main_process
from training.management.flags import going_on
from training.management.running import RunCommand
from training.recipes import FINETUNING
from training.runs.names import require_name, require_new_name
from training.verdicts.reviewed import with_reviewed

if TYPE_CHECKING:
    from training.finetuning.run import FinetuningResult


class Command(RunCommand[FinetuningConfig]):
    help = (
        "Fine-tunes a model on labelled texts, measures it and writes it under the models folder."
    )

    recipes = FINETUNING
    made = "model"
    resumed_by = "--name, with several runs --seeds,"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--seeds",
            type=int,
            nargs="+",
            metavar="SEED",
            help="one run a seed, called NAME-seed0, ...; then each measure's mean and deviation; "
            "with --resume, those go on that have not ended",
        )
        super().add_arguments(parser)

    def add_alternatives(self, instead: Any) -> None:
        instead.add_argument(
            "--generate-only",
            type=Path,
            metavar="CSV",
            help="write the rows that --generate makes to this file, to be read before training",
        )

    def carry_out(self, name: str, config: FinetuningConfig, options: Mapping[str, Any]) -> None:
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

    def recorded(self, options: Mapping[str, Any]) -> FinetuningConfig:
        from training.finetuning.series import recorded_series

        if options["seeds"]:
            return recorded_series(settings.RUNS_DIR, options["name"], options["seeds"])
        return super().recorded(options)

    def chosen(self, options: Mapping[str, Any], given: Mapping[str, Any]) -> FinetuningConfig:
        if options["seeds"] and "seed" in given:
            raise ConfigError(
                f"--seeds gives the seed of each run, but --seed is {given['seed']}, too. "
                "Leave one out."
            )
        return super().chosen(options, given)

    def _dry_run(self, config: FinetuningConfig) -> None:
        from training.finetuning.plan import plan_run

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
        from training.data.splits import load_splits

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
        from training.finetuning.series import has_begun, require_series, run_series

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
    from training.finetuning.run import run_finetuning
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
