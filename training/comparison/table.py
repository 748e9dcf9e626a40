"""The comparison: each measure over each group, the tests against the first, and both as tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.comparison.groups import Group
from training.comparison.predictions import ComparisonError, Run
from training.comparison.significance import PairedTest, row_tests, seed_tests

RESAMPLES = 1000


@dataclass(frozen=True)
class Spread:
    """A measure over the runs of a group."""

    mean: float
    deviation: float | None
    """Sample standard deviation (n - 1); None of a single run."""

    def __str__(self) -> str:
        shown = f"{self.mean:.4f}"
        return shown if self.deviation is None else f"{shown} ± {self.deviation:.4f}"


@dataclass(frozen=True)
class Comparison:
    groups: tuple[Group, ...]
    spreads: dict[str, dict[str, Spread]]
    """By measure and name of the group; a measure that is not defined for a group is left out."""
    tests: dict[tuple[str, str], tuple[PairedTest, ...]]
    """Of the first group against each other one, by their names."""

    def to_markdown(self) -> str:
        """Tables for a page such as docs/results.md."""
        rows = len(self.groups[0].runs[0].label_ids)
        heads = [f"{group.name} ({_count(group)})" for group in self.groups]
        spreads = [
            [measure, *(str(by_group.get(group.name, "")) for group in self.groups)]
            for measure, by_group in self.spreads.items()
        ]
        parts = [f"{rows:,} test rows each.", _table(["measure", *heads], spreads)]
        for (first, second), tests in self.tests.items():
            body = [
                [
                    test.measure,
                    f"{test.difference:+.4f}",
                    "{:+.4f} .. {:+.4f}".format(*test.interval) if test.interval else "",
                    f"{test.p_value:.4f}",
                    test.method,
                ]
                for test in tests
            ]
            parts.append(f"{second} against {first}:")
            parts.append(_table(["measure", "difference", "95 % interval", "p", "test"], body))
        count = sum(map(len, self.tests.values()))
        if count:
            parts.append(f"p is two-sided and not corrected for these being {count} tests.")
        return "\n\n".join(parts) + "\n"


def compare(groups: Sequence[Group], *, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Mean and deviation of each measure over each group, and paired tests against the first.

    Two single runs are compared by row, groups of several runs by seed;
    training.comparison.significance says how.

    Args:
        resamples: of the rows in the bootstrap; p is never below 1 / (resamples + 1).
        seed: of the resampling.

    Raises:
        ComparisonError: fewer than one group, other rows, other labels, or seeds that do not
            pair.
    """
    if not groups:
        raise ComparisonError("A comparison needs runs, but it has none. Name one or more.")
    first = groups[0]
    for group in groups:
        for run in group.runs:
            _require_same_rows(first.runs[0], run)
    measured = {group.name: group.measures() for group in groups}
    names = dict.fromkeys(
        key for runs in measured.values() for measures in runs for key in measures
    )
    spreads = {
        name: {
            group: _spread([measures[name] for measures in runs])
            for group, runs in measured.items()
            if all(name in measures for measures in runs)
        }
        for name in names
        if name != "rows"
    }
    tests = {
        (first.name, other.name): (
            row_tests(first.runs[0], other.runs[0], resamples=resamples, seed=seed)
            if len(first.runs) == len(other.runs) == 1
            else seed_tests(first, other, measured, seed=seed)
        )
        for other in groups[1:]
    }
    return Comparison(tuple(groups), spreads, tests)


def _require_same_rows(first: Run, other: Run) -> None:
    if other.labels != first.labels:
        raise ComparisonError(
            f"Runs are compared on the same labels, but {first.name} has "
            f"{', '.join(first.labels)} and {other.name} {', '.join(other.labels)}. "
            "Compare runs on the same data set."
        )
    rows = [list(zip(run.digests, run.label_ids.tolist(), strict=True)) for run in (first, other)]
    if rows[0] != rows[1]:
        shared = len(set(rows[0]) & set(rows[1]))
        raise ComparisonError(
            f"Runs are compared on the same test rows, but {first.name} was measured on "
            f"{len(rows[0]):,} and {other.name} on {len(rows[1]):,}, of which {shared:,} are the "
            f"same. Measure both on the same: manage.py evaluate --model ... --dataset ... "
            f"--report ..."
        )


def _spread(values: Sequence[float]) -> Spread:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean(values)), deviation)


def _count(group: Group) -> str:
    return "1 run" if len(group.runs) == 1 else f"{len(group.runs)} runs"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with its columns aligned, so that it reads well unrendered too."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
