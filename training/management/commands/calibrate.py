"""manage.py calibrate: a model's probabilities and ratings, fitted to verdicts or a data set."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from classifier.artefact import Artefact, open_artefact
from classifier.engines import KINDS
from classifier.exceptions import ModelNotReady
from classifier.model_store import artefact_of
from classifier.models import ModelVersion
from reviewsite.commands import SiteCommand
from training.config import ConfigError, DataConfig

OF_DATA = (
    *("text_column", "text_pair_column", "label_column", "label_names"),
    *("stars_column", "stars_range"),
)


class Command(SiteCommand):
    help = (
        "Makes a new model out of one: its probabilities and ratings are fitted to the verdicts of "
        "reviewers, or to a data set that it was not trained on. The model itself stays."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--model",
            default=settings.CLASSIFIER_MODEL,
            help="'starter', a name under the models folder, a version name@revision, or a "
            "directory (default: CLASSIFIER_MODEL)",
        )
        parser.add_argument(
            "--name", help="of the new model (default: that of the old one with -calibrated)"
        )
        parser.add_argument(
            "--dataset",
            default="",
            help="as for finetune (default: the verdicts of reviewers, without the frozen ones)",
        )
        parser.add_argument("--split", default="validation", help="(default: validation)")
        for name in OF_DATA:
            default = getattr(DataConfig, name)
            parser.add_argument(
                f"--{name.replace('_', '-')}",
                default=default,
                help=f"as for finetune (default: {default or 'none'})",
            )
        parser.add_argument(
            "--rating",
            choices=("auto", "none"),
            default="auto",
            help="auto fits ratings to the stars, where there are enough; none leaves them to the "
            "model's confidence (default: auto)",
        )
        parser.add_argument(
            "--interval",
            type=float,
            default=0.8,
            help="share of the stars that the interval about a rating shall cover (default: 0.8)",
        )
        parser.add_argument(
            "--engine",
            default=settings.CLASSIFIER_ENGINE,
            choices=KINDS,
            help="what reads the rows: onnx, the int8 graph, or torch, the weights "
            f"(default: {settings.CLASSIFIER_ENGINE})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Here, not at the top: pandas and scikit-learn would slow every manage.py --help.
        from training.calibration.errors import CalibrationError
        from training.calibration.facts import calibration_sentences
        from training.calibration.recalibration import recalibrate
        from training.data.reading import DataError

        if not 0 < options["interval"] < 1:
            raise CommandError(
                f"--interval must lie between 0 and 1, but it is {options['interval']}. Try 0.8."
            )
        try:
            artefact = _artefact(options["model"])
            name = options["name"] or f"{artefact.name}-calibrated"
            made = recalibrate(
                artefact,
                _rows(options),
                name=name,
                models_dir=settings.MODELS_DIR,
                runs_dir=settings.RUNS_DIR,
                rating=options["rating"],
                interval=options["interval"],
                engine=options["engine"],
            )
        except (CalibrationError, ConfigError, DataError, ModelNotReady) as error:
            raise CommandError(str(error)) from error
        for sentence in calibration_sentences(made.facts):
            self.stdout.write(sentence)
        self._compare(made.facts["validation"])
        self.stdout.write(self.style.SUCCESS(f"\nThe model is in {made.directory}"))
        self._register(name, options["model"])

    def _compare(self, measured: dict[str, dict[str, float]]) -> None:
        """Both measures side by side; those after are of rows that the fit did not see."""
        from training.calibration.facts import NAMES

        self.stdout.write(f"\n{'':40} {'before':>8} {'after':>8}")
        for key, title in NAMES.items():
            if key in measured["after"]:
                values = (measured[when].get(key) for when in ("before", "after"))
                shown = " ".join(" " * 8 if v is None else f"{v:8.4f}" for v in values)
                self.stdout.write(f"{title:40} {shown}")

    def _register(self, name: str, model: str) -> None:
        from classifier.versions.activation import register

        try:
            version = register(name, source=f"calibrated from {model}")
        except ModelNotReady as error:
            self.stdout.write(f"{name} is no candidate to be activated: {error}")
        else:
            self.stdout.write(f"{version} is a {version.status}.")
            self.stdout.write(f"Activate it: manage.py activate_model {name}")


def _rows(options: dict[str, Any]) -> Any:
    from training.calibration.calibrating import CalibrationRows
    from training.config.paths import dataset_name
    from training.data.splits import load_split
    from training.verdicts.calibration import verdict_rows

    if not options["dataset"]:
        return verdict_rows()
    config = DataConfig(dataset=options["dataset"], **{name: options[name] for name in OF_DATA})
    frame, labels = load_split(config, options["split"], datasets_dir=settings.DATASETS_DIR)
    dataset = dataset_name({"data": {"dataset": options["dataset"]}})
    return CalibrationRows(frame, labels, dataset=dataset, split=options["split"])


def _artefact(model: str) -> Artefact:
    """The model that is called so: a version name@revision, "starter", a name, or a directory.

    Raises:
        ModelNotReady: there is none, or it lacks what a classifier needs.
    """
    name, _, revision = model.rpartition("@")
    version = ModelVersion.objects.filter(name=name, revision=revision).first() if name else None
    if version:
        return artefact_of(version)
    return open_artefact(model, models_dir=settings.MODELS_DIR)
