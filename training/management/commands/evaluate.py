"""manage.py evaluate: any model on any labelled data set."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from classifier.artefact import Artefact, open_artefact
from classifier.engines import KINDS
from classifier.exceptions import ModelNotReady
from classifier.model_files import METRICS, PICTURES, metrics_of
from classifier.rating_file import read_rating_file
from classifier.windows import RULES
from reviewsite.commands import SiteCommand
from training.config import ConfigError, DataConfig


class Command(SiteCommand):
    help = "Measures a model on the labelled rows of a data set; every row counts."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--model",
            default=settings.CLASSIFIER_MODEL,
            help="'starter', a name under the models folder, a directory, or user/name[@revision] "
            "of the Hub, which is fetched once (default: the model in service)",
        )
        parser.add_argument("--dataset", required=True, help="as for finetune")
        parser.add_argument("--split", default="test", help="(default: test)")
        parser.add_argument("--text-column", default="text", help="as for finetune")
        parser.add_argument("--text-pair-column", default="", help="as for finetune")
        parser.add_argument("--label-column", default="label", help="as for finetune")
        parser.add_argument(
            "--label-names", default="", help="names of the labels 0, 1, ..., with commas between"
        )
        parser.add_argument(
            "--limit",
            type=int,
            default=0,
            help="only this many rows, drawn with seed 0 (default: all)",
        )
        parser.add_argument(
            "--rule",
            default="",
            choices=sorted(RULES),
            help="how the windows of a long text are combined (default: the model's own)",
        )
        parser.add_argument(
            "--engine",
            default=settings.CLASSIFIER_ENGINE,
            choices=KINDS,
            help="onnx: the int8 graph that is served; torch: the weights as they were trained "
            f"(default: {settings.CLASSIFIER_ENGINE})",
        )
        parser.add_argument("--output", type=Path, help="write the measures to this JSON file too")
        parser.add_argument(
            "--report",
            type=Path,
            help="write report.html with pictures, and the predictions that compare_runs reads, "
            "into this folder",
        )
        parser.add_argument(
            "--keep-curves",
            action="store_true",
            help="keep the points of the curves in the model's metrics.json, which the model page "
            "draws; models that finetune makes have them",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Here, not at the top: pandas and scikit-learn would slow every manage.py --help.
        from training.data.reading import DataError
        from training.data.splits import draw_rows, load_split
        from training.evaluation.curve_points import curve_points
        from training.evaluation.evaluating import evaluate_in_detail
        from training.hub import HubError
        from training.reporting.report import save_evaluation
        from training.runs.export import write_json

        if options["limit"] < 0:
            raise CommandError(
                f"--limit must be 0 or more, but it is {options['limit']}. Try 1000."
            )
        try:
            artefact = _artefact(options["model"])
            frame, labels = load_split(
                DataConfig(
                    dataset=options["dataset"],
                    text_column=options["text_column"],
                    text_pair_column=options["text_pair_column"],
                    label_column=options["label_column"],
                    label_names=options["label_names"],
                ),
                options["split"],
                datasets_dir=settings.DATASETS_DIR,
            )
            frame = draw_rows(frame, options["limit"], seed=0)
            evaluation = evaluate_in_detail(
                artefact.directory,
                frame,
                labels,
                rule=options["rule"] or None,
                engine=options["engine"],
            )
        except (ConfigError, DataError, HubError, ModelNotReady) as error:
            raise CommandError(str(error)) from error
        for key, value in evaluation.measures.items():
            self.stdout.write(
                f"{key:28} {value:.0f}" if key.endswith("rows") else f"{key:28} {value:.4f}"
            )
        if options["output"]:
            options["output"].write_text(
                json.dumps(evaluation.measures, indent=2, ensure_ascii=False) + "\n",
                encoding="utf-8",
            )
        if options["report"]:
            facts = {
                "name": f"{artefact.name} on {options['dataset']} ({options['split']})",
                "model": artefact.name,
                "revision": artefact.revision(),
                "dataset": options["dataset"],
                "split": options["split"],
                "rule": options["rule"] or read_rating_file(artefact.directory).window_rule,
            }
            report = save_evaluation(
                options["report"], facts=facts, evaluation=evaluation, frame=frame
            )
            self.stdout.write(f"The report is {report}")
        if options["keep_curves"]:
            content = metrics_of(artefact.directory) | {PICTURES: curve_points(evaluation)}
            write_json(artefact.directory / METRICS, content)
            self.stdout.write(f"The curves are in {artefact.directory / METRICS}")


def _artefact(model: str) -> Artefact:
    """The model named, which is fetched where it is one of the Hub and not of this machine."""
    here = Path(model).is_dir() or (settings.MODELS_DIR / model).is_dir()
    if "/" in model and not here:
        from training.hub import pull_model

        model = pull_model(model, models_dir=settings.MODELS_DIR).directory.name
    return open_artefact(model, models_dir=settings.MODELS_DIR)
