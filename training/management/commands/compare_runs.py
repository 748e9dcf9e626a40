"""manage.py compare_runs: mean and deviation over seeds, and whether a difference is one."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = (
        "Compares runs by what they said of the same test rows: each measure's mean and standard "
        "deviation over the seeds, and paired tests of every group against the first."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "runs",
            nargs="+",
            metavar="RUN",
            help="a run, a folder that evaluate --report wrote, or a group: name=run1,run2; "
            "single runs that differ in their seed alone make a group",
        )
        parser.add_argument(
            "--markdown", action="store_true", help="nothing but the tables, for a page"
        )
        parser.add_argument(
            "--resamples",
            type=int,
            default=1000,
            help="of the rows in the bootstrap of two single runs (default: 1000)",
        )
        parser.add_argument("--seed", type=int, default=0, help="of the resampling (default: 0)")

    def handle(self, *args: Any, **options: Any) -> None:
        # Here, not at the top: pandas and scikit-learn would slow every manage.py --help.
        from training.comparison import ComparisonError, compare, group_runs, load_run

        if options["resamples"] < 1:
            raise CommandError(
                f"--resamples must be 1 or more, but it is {options['resamples']}. Try 1000."
            )
        try:
            groups = group_runs(
                options["runs"], load=lambda name: load_run(name, runs_dir=settings.RUNS_DIR)
            )
            comparison = compare(groups, resamples=options["resamples"], seed=options["seed"])
        except ComparisonError as error:
            raise CommandError(str(error)) from error
        if not options["markdown"]:
            for group in comparison.groups:
                seeds = ", ".join(str(run.seed) for run in group.runs if run.seed is not None)
                runs = ", ".join(run.name for run in group.runs)
                self.stdout.write(f"{group.name}: {runs}" + (f" (seeds {seeds})" if seeds else ""))
            self.stdout.write()
        self.stdout.write(comparison.to_markdown(), ending="")
