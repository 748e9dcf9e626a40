"""Probes, what they find, and how they are run: one after the other, each bounded in time."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module

from django.db import connections
from django.utils.module_loading import autodiscover_modules

from reviewsite.redaction import redacted

PROBE_SECONDS = 10.0
OWN = ("configuration", "services", "host")
"""Modules of this package with probes; applications have theirs in `doctor`."""


class Outcome(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    outcome: Outcome
    told: str
    """What was found, or why nothing was looked for."""
    remedy: str = ""


@dataclass(frozen=True)
class Examined:
    """A probe's finding, without secrets."""

    name: str
    finding: Finding


@dataclass(frozen=True)
class Probe:
    name: str
    look: Callable[[], Finding]
    seconds: float
    needs: tuple[str, ...]


_probes: dict[str, Probe] = {}


def ok(told: str) -> Finding:
    return Finding(Outcome.OK, told)


def warning(told: str, remedy: str) -> Finding:
    return Finding(Outcome.WARNING, told, remedy)


def failed(told: str, remedy: str) -> Finding:
    return Finding(Outcome.FAILED, told, remedy)


def skipped(why: str) -> Finding:
    return Finding(Outcome.SKIPPED, why)


def probe(
    name: str, *, seconds: float = PROBE_SECONDS, needs: Sequence[str] = ()
) -> Callable[[Callable[[], Finding]], Callable[[], Finding]]:
    """Register a probe.

    Args:
        name: as it is printed and asked for.
        seconds: after which it counts as failed.
        needs: probes without whose success this one is skipped.
    """

    def registered(look: Callable[[], Finding]) -> Callable[[], Finding]:
        _probes[name] = Probe(name, look, seconds, tuple(needs))
        return look

    return registered


def probes() -> dict[str, Probe]:
    """All of them by name, in the order in which they are run."""
    for module in OWN:
        import_module(f"reviewsite.doctor.{module}")
    autodiscover_modules("doctor")
    return _probes


def examine(names: Sequence[str] = ()) -> Iterator[Examined]:
    """Run probes, each as soon as the one before has ended or is out of time.

    Args:
        names: which, with those that they need; none for all of them.
    """
    known = probes()
    wanted = _with_needs(names, known) if names else set(known)
    good: set[str] = set()
    for each in [one for one in known.values() if one.name in wanted]:
        if lacking := [need for need in each.needs if need not in good]:
            finding = skipped(f"it needs what is not there or not well: {', '.join(lacking)}")
        else:
            finding = _bounded(each)
        if finding.outcome in (Outcome.OK, Outcome.WARNING):
            good.add(each.name)
        told, remedy = redacted(finding.told), redacted(finding.remedy)
        yield Examined(each.name, Finding(finding.outcome, told, remedy))


def _with_needs(names: Sequence[str], known: dict[str, Probe]) -> set[str]:
    wanted, open_names = set(names), list(names)
    while open_names:
        for need in known[open_names.pop()].needs:
            if need not in wanted:
                wanted.add(need)
                open_names.append(need)
    return wanted


def _bounded(each: Probe) -> Finding:
    """The probe's finding; failed where it raises or takes too long."""
    found: list[Finding] = []

    def look() -> None:
        try:
            found.append(each.look())
        except Exception as error:  # a probe that breaks is a finding, and others go on
            said = (str(error).splitlines() or [""])[0][:300]
            found.append(
                failed(f"{type(error).__name__}: {said}", "Mend what it names, then look again.")
            )
        finally:
            connections.close_all()  # this thread's own

    # A daemon: what hangs in it does not keep the process from ending.
    thread = threading.Thread(target=look, name=f"doctor {each.name}", daemon=True)
    thread.start()
    thread.join(each.seconds)
    if found:
        return found[0]
    return failed(
        f"it gave no answer within {each.seconds:g} s",
        "What it asks hangs: look at its own log, and restart it.",
    )
