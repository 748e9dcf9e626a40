"""manage.py export_model: the int8 graph of a model, which serves without torch."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from classifier.artefact import open_artefact
from classifier.exceptions import ModelNotReady
from classifier.model_files import GRAPH
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = (
        f"Writes {GRAPH} into a model's directory, verified against the model itself. Workers "
        "that are started afterwards serve it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--model",
            default=settings.CLASSIFIER_MODEL,
            help="'starter', a name under the models folder or a directory (default: the model in "
            "service)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            artefact = open_artefact(options["model"], models_dir=settings.MODELS_DIR)
        except ModelNotReady as error:
            raise CommandError(str(error)) from error
        # Here, not at the top: torch takes seconds to import.
        from classifier.onnx_export import ExportRefused, export_model, record

        try:
            compared = export_model(artefact.directory)
        except (ExportRefused, ModelNotReady, OSError) as error:
            raise CommandError(str(error)) from error
        record(artefact.directory, compared.facts())
        self.stdout.write(
            f"{artefact.directory / GRAPH}: {compared.summary()}; {compared.texts} texts, "
            f"{compared.label_agreement:.1%} with the same label."
        )
