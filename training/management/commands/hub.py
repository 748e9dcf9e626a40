"""manage.py hub search: what the Hub has, as a plain table."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import CommandError
from django.template.defaultfilters import filesizeformat

from reviewsite.commands import SiteCommand


class Command(SiteCommand):
    help = "Finds models and data sets on the Hub (HF_ENDPOINT)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        commands = parser.add_subparsers(dest="command", required=True)
        search = commands.add_parser(
            "search", help="by the words of their names and by task, the most downloaded first"
        )
        search.add_argument("words", nargs="*", help="words of the name")
        search.add_argument(
            "--task",
            default="text-classification",
            help="a task of the Hub; '' for any (default: text-classification)",
        )
        search.add_argument("--datasets", action="store_true", help="data sets, not models")
        search.add_argument("--limit", type=_limit, default=20, help="rows (default: 20)")

    def handle(self, *args: Any, **options: Any) -> None:
        from training.hub import HubError, search_hub

        try:
            found = search_hub(
                " ".join(options["words"]),
                kind="datasets" if options["datasets"] else "models",
                task=options["task"],
                limit=options["limit"],
            )
        except HubError as error:
            raise CommandError(str(error)) from error
        if not found:
            raise CommandError(
                "A search should find something, but nothing has these words and this task. Try "
                "fewer words, or --task ''."
            )
        width = max(len(item.repo_id) for item in found)
        self.stdout.write(f"{'name':{width}}  {'size':>10}  {'downloads':>12}  licence")
        for item in found:
            # Django puts a no-break space between number and unit.
            size = "-" if item.size is None else filesizeformat(item.size).replace("\xa0", " ")
            licence = (item.licence or "-") + (" (gated)" if item.gated else "")
            self.stdout.write(
                f"{item.repo_id:{width}}  {size:>10}  {item.downloads:>12,}  {licence}"
            )


def _limit(value: str) -> int:
    number = int(value)
    if not 1 <= number <= 100:
        raise ArgumentTypeError(f"--limit must lie in 1..100, but it is {number}. Try 20.")
    return number
