"""Whether a candidate may take the place of the version in service without anybody's word."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from classifier.exceptions import ClassifierError
from classifier.messages import joined, message
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
        failed = [
            message("{rule} ({found})", rule=each.rule, found=each.found)
            for each in self.checks
            if not each.passed
        ]
        return joined(failed)

    def require(self) -> None:
        """
        Raises:
            GateFailed: a check failed.
        """
        if not self.passed:
            raise GateFailed(
                code="gate_failed",
                rule=message(
                    "A version is activated if it does as well as the one in service on the "
                    "frozen verdicts."
                ),
                value=self.failures(),
                remedy=message(
                    "Review more, train again, or give the reason why it is activated all the "
                    "same; it is kept in the audit log."
                ),
            )


def judge(comparison: Comparison | None) -> Gate:
    """Hold a comparison against the thresholds: GATE_ROWS, GATE_LOSS and GATE_PART_LOSS."""
    rows = len(comparison.rows) if comparison else 0
    enough = Check(
        rule=message("Both have answered {least} frozen rows or more.", least=settings.GATE_ROWS),
        found=f"{rows}",
        passed=rows >= settings.GATE_ROWS,
    )
    return Gate((enough, *(_checks(comparison) if comparison else ())))


def _checks(comparison: Comparison) -> Iterator[Check]:
    yield Check(
        rule=message("Accuracy falls by {most:.1%} at most.", most=settings.GATE_LOSS),
        found=message(
            "{before:.1%} to {after:.1%}",
            before=comparison.serving.accuracy,
            after=comparison.candidate.accuracy,
        ),
        passed=-comparison.difference <= settings.GATE_LOSS + 1e-9,
    )
    for label, after in comparison.candidate.classes.items():
        before = comparison.serving.classes[label].recall
        if before is None or after.recall is None:
            yield Check(
                rule=message("Some of the frozen rows are {label}.", label=label),
                found=message("none"),
                passed=False,
            )
        else:
            yield _part(message("of the {label} rows", label=label), before, after.recall)
    for each in comparison.slices:
        if each.rows >= SLICE_ROWS:
            which = message("of those by {kind}: {name},", kind=each.kind, name=each.name)
            yield _part(which, each.serving, each.candidate)


def _part(which: str, before: float, after: float) -> Check:
    return Check(
        rule=message(
            "The share {which} that is right falls by {most:.1%} at most.",
            which=which,
            most=settings.GATE_PART_LOSS,
        ),
        found=message("{before:.1%} to {after:.1%}", before=before, after=after),
        passed=before - after <= settings.GATE_PART_LOSS + 1e-9,
    )
