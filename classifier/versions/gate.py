"""Whether a candidate may take the place of the version in service without anybody's word."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from classifier.exceptions import ClassifierError
from classifier.versions.comparison import Comparison

SLICE_ROWS = 100  # a slice with fewer says too little


class GateFailed(ClassifierError):
    """The candidate did worse than the gate allows, and no reason was given to activate it."""


@dataclass(frozen=True)
class Check:
    """One threshold, and what was found."""

    rule: str
    found: str
    passed: bool


@dataclass(frozen=True)
class Gate:
    """The checks of one comparison; passed if all are."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def failures(self) -> str:
        """The checks that failed, in words."""
        return " ".join(f"{each.rule} ({each.found})" for each in self.checks if not each.passed)

    def require(self) -> None:
        """
        Raises:
            GateFailed: a check failed.
        """
        if not self.passed:
            raise GateFailed(
                code="gate_failed",
                rule="A version is activated if it does as well as the one in service on the "
                "frozen verdicts.",
                value=self.failures(),
                remedy="Review more, train again, or give the reason why it is activated all the "
                "same; it is kept in the audit log.",
            )


def judge(comparison: Comparison | None) -> Gate:
    """Hold a comparison against the thresholds: GATE_ROWS, GATE_LOSS and GATE_PART_LOSS."""
    rows = len(comparison.rows) if comparison else 0
    enough = Check(
        rule=f"Both have answered {settings.GATE_ROWS} frozen rows or more.",
        found=f"{rows}",
        passed=rows >= settings.GATE_ROWS,
    )
    return Gate((enough, *(_checks(comparison) if comparison else ())))


def _checks(comparison: Comparison) -> Iterator[Check]:
    yield Check(
        rule=f"Accuracy falls by {settings.GATE_LOSS:.1%} at most.",
        found=f"{comparison.serving.accuracy:.1%} to {comparison.candidate.accuracy:.1%}",
        passed=-comparison.difference <= settings.GATE_LOSS + 1e-9,
    )
    for label, after in comparison.candidate.classes.items():
        before = comparison.serving.classes[label].recall
        if before is None or after.recall is None:
            yield Check(rule=f"Some of the frozen rows are {label}.", found="none", passed=False)
        else:
            yield _part(f"of the {label} rows", before, after.recall)
    for each in comparison.slices:
        if each.rows >= SLICE_ROWS:
            yield _part(f"of those by {each.kind}: {each.name},", each.serving, each.candidate)


def _part(which: str, before: float, after: float) -> Check:
    return Check(
        rule=f"The share {which} that is right falls by {settings.GATE_PART_LOSS:.1%} at most.",
        found=f"{before:.1%} to {after:.1%}",
        passed=before - after <= settings.GATE_PART_LOSS + 1e-9,
    )
