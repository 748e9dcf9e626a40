"""What tests with figures found: one row each of docs/operations/chaos.md."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FINDINGS = "CHAOS_FINDINGS"
"""The environment variable with the file to which each finding is added, a JSON line."""
TRIED = "tried"
"""The property (pytest's record_property) with how much one test of the suite has tried, where that
is more than one; its other properties are figures."""


@dataclass(frozen=True)
class Finding:
    """One test of the plan, run once."""

    test: str
    """Its number in the plan, such as T7."""
    unit: str
    """What was tried, such as transactions."""
    tried: int
    failures: int
    target: str
    figures: Mapping[str, str]

    @property
    def met(self) -> bool:
        return self.tried > 0 and self.failures == 0

    @property
    def upper_bound(self) -> float:
        """95 % upper bound of the share that fails (Clopper and Pearson, one-sided), 0 to 1."""
        from scipy.stats import beta

        if self.failures >= self.tried:
            return 1.0
        return float(beta.ppf(0.95, self.failures + 1, self.tried - self.failures))


def report(
    test: str, *, unit: str, tried: int, failures: int, target: str, figures: Mapping[str, Any]
) -> str:
    """The figures as lines to print; the finding is added to the file of FINDINGS, if it is set."""
    said = {name: str(value) for name, value in figures.items()}
    finding = Finding(test, unit, int(tried), int(failures), target, said)  # numpy's are no JSON
    if file := os.environ.get(FINDINGS):
        with Path(file).open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(finding), ensure_ascii=False) + "\n")
    lines = {
        **said,
        f"{unit}, tried": f"{tried:,}",
        "failures": f"{failures:,}",
        "95 % upper bound of failing": f"{finding.upper_bound:.2%}",
        "target": target,
        "met": "yes" if finding.met else "NO",
    }
    return "\n".join(f"{name:46} {value}" for name, value in lines.items()) + "\n"
