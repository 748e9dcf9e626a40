"""manage.py compare_models: a candidate beside the version in service, on the frozen verdicts."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from classifier.exceptions import ClassifierError
from classifier.versions.activation import find_version, in_service
from classifier.versions.answers import rate_frozen
from classifier.versions.comparison import Comparison, compare
from classifier.versions.gate import judge
from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = (
        "Lets a model and the one in service rate the frozen verdicts, prints how they differ, and "
        "whether the model passes the gate; exit status 1 where it does not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "model", help="name@revision of a version, a name under MODELS_DIR, or a directory"
        )
        parser.add_argument(
            "--against", default="", help="another model in place of the one in service"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            candidate = find_version(options["model"])
            serving = find_version(options["against"]) if options["against"] else in_service()
            if serving is None or serving == candidate:
                raise CommandError(
                    f"A model is compared with another, but {serving or 'none'} is in service. "
                    "Give another with --against."
                )
            for version in (candidate, serving):
                rate_frozen(version)
        except ClassifierError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{'':34} {serving!s:>24} {candidate!s:>24}")
        compared = compare(candidate, serving)
        if compared:
            self._figures(compared)
        gate = judge(compared)
        for check in gate.checks:
            mark = self.style.SUCCESS("holds") if check.passed else self.style.ERROR("fails")
            self.stdout.write(f"{mark}  {check.rule} Found: {check.found}.")
        if not gate.passed:
            raise CommandError(
                f"{candidate} does not pass the gate. To activate it all the same: "
                f"manage.py activate_model {candidate} --reason ..."
            )
        self.stdout.write(f"Activate it: manage.py activate_model {candidate}")

    def _figures(self, compared: Comparison) -> None:
        before, after = compared.serving, compared.candidate
        rows: list[tuple[str, float | None, float | None]]
        rows = [("accuracy", before.accuracy, after.accuracy)]
        for label, measures in before.classes.items():
            for name in ("precision", "recall", "f1"):
                found = getattr(measures, name), getattr(after.classes[label], name)
                rows.append((f"{label} {name}", *found))
        rows += [
            ("rating error, stars", before.rating_error, after.rating_error),
            ("Brier score", before.brier, after.brier),
        ]
        rows += [
            (f"{each.kind}: {each.name} ({each.rows})", each.serving, each.candidate)
            for each in compared.slices
        ]
        for name, one, other in rows:
            cells = ("unknown" if value is None else f"{value:.4f}" for value in (one, other))
            self.stdout.write(f"{name:34} {next(cells):>24} {next(cells):>24}")
        low, high = compared.interval
        self.stdout.write(
            f"\n{len(compared.rows)} of {compared.frozen} rows; right in the candidate alone "
            f"{len(compared.only_candidate)}, in the other alone {len(compared.only_serving)}; "
            f"difference {compared.difference:+.4f} (95 %: {low:+.4f} to {high:+.4f}), McNemar's "
            f"exact test p = {compared.p_value:.4f}\n"
        )
