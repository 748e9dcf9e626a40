"""manage.py doctor: what is wrong with this site, and how to mend it."""

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reviewsite.doctor import Examined, Outcome, examine
from reviewsite.doctor.examination import probes


class Command(BaseCommand):
    help = (
        "Examines the site as this process would run it: settings, host, database, Redis, workers, "
        "model, Hub. One line for each look, with the remedy; ends with 1 where one failed. Shows "
        "no secret."
    )
    requires_system_checks = []  # what they would refuse is told among the others

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="*", metavar="name", help="look at these alone")
        parser.add_argument("--json", action="store_true", help="print a JSON array of them")

    def handle(self, *args: Any, names: list[str], **options: Any) -> None:
        if unknown := sorted(set(names) - set(probes())):
            raise CommandError(
                f"There is no {', '.join(map(repr, unknown))} to look at. There are: "
                f"{', '.join(map(repr, probes()))}."
            )
        found = []
        for each in examine(names):
            found.append(each)
            if not options["json"]:
                self.stdout.write(_line(each))
        outcomes = Counter(each.finding.outcome for each in found)
        if options["json"]:
            self.stdout.write(json.dumps([_facts(each) for each in found], indent=2))
        else:
            told = ", ".join(f"{outcomes[each]} {each}" for each in Outcome if outcomes[each])
            self.stdout.write(f"\n{told}")
        if outcomes[Outcome.FAILED]:
            sys.exit(1)


def _line(each: Examined) -> str:
    finding = each.finding
    line = f"{finding.outcome:<8} {each.name}: {finding.told}"
    return f"{line}\n         > {finding.remedy}" if finding.remedy else line


def _facts(each: Examined) -> dict[str, str]:
    finding = each.finding
    return {
        "name": each.name,
        "outcome": finding.outcome,
        "told": finding.told,
        "remedy": finding.remedy,
    }
