"""Runs the tests that break things, and writes what they found as one table.

    python -m tests.chaos              all but the hour of soaking
    python -m tests.chaos --soak       that hour
    python -m tests.chaos --only T7    one of them; the rows of the others stay

The findings are kept in docs/operations/chaos.json, from which docs/operations/chaos.md is made.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from classifier.cores import usable_cores
from tests.chaos.findings import FINDINGS, TRIED, Finding, report
from tests.servers import own_postgresql

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = ROOT / "docs" / "operations" / "chaos.json"
TABLE = KEPT.with_suffix(".md")
HEAD = """# What breaks, and what does not

Each row is a test that breaks something on purpose, or sends what nobody should send, and counts
what went wrong. `make chaos` runs them all, two at a time but for those that bound milliseconds or
load a whole site, `make soak` the hour of T13; both write this page. The numbers are those of [the
requirements](requirements.md). Each has a planted fault that must turn it red: a script's is its
`--plant`, which `CHAOS=1 make test` tries; those of the suite stand beside their tests.

The bound is the 95 % upper bound of the share that fails (Clopper and Pearson).

| test | what | tried | failures | bound | target | met |
|---|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Turn:
    test: str
    what: str
    script: str = ""
    """A module of tests.chaos; else `suite` says which tests of the suite these are."""
    arguments: tuple[str, ...] = ()
    suite: tuple[str, ...] = ()
    unit: str = "tests"
    target: str = "all pass"
    alone: bool = False
    """It bounds milliseconds, or loads a whole site: nothing runs beside it."""


TURNS = (
    Turn("T1", "a training run killed", "kill_training", ("--runs", "2", "--kills", "20")),
    Turn("T2", "a training worker killed", "kill_worker", ("--kills", "8")),
    Turn(
        "T3",
        "a job longer than the broker waits",
        suite=(
            "tests/services/test_broker.py"
            "::test_a_job_longer_than_any_visibility_timeout_is_done_once",
        ),
    ),
    Turn("T4", "Redis refuses, hangs, is emptied", "break_broker", ("--rounds", "1")),
    Turn("T5", "Redis restarted and emptied while runs and files are done", "restart_broker"),
    Turn("T6", "PostgreSQL crashes", "restart_postgresql", ("--restarts", "20")),
    Turn("T7", "eight processes write SQLite", "write_sqlite", alone=True),
    Turn("T8", "the disk is full", "fill_disk", ("--points", "20")),
    Turn("T9", "reloads and rolling ends", "reload_web", alone=True),
    Turn("T10", "threads against one thread", "compare_answers"),
    Turn(
        "T11",
        "started with --preload",
        suite=("tests/services/test_web.py::test_preload_is_refused",),
    ),
    Turn("T14", "requests that nobody foresaw", "fuzz_api"),
    Turn(
        "T15",
        "exactly 100 of 1,000 a minute",
        suite=("tests/services/test_rate_limit.py::test_exactly_the_limit_passes_of_each_sender",),
        unit="requests of 64 clients",
        target="exactly 100 pass; 429 has Retry-After",
    ),
    Turn("T16", "slow clients", "slow_clients", alone=True),
    Turn("T17", "huge texts and tables", "huge_inputs", ("--rows", "200000"), alone=True),
    Turn(
        "T18",
        "hostile models and archives",
        suite=("tests/security/test_artefacts.py",),
        target="all refused with a reason, nothing run, nothing written outside",
    ),
    Turn(
        "T19",
        "208 payloads of XSS through every door",
        suite=("tests/security/test_injection.py",),
        unit="payloads, door by door",
        target="none lives in any page",
    ),
    Turn(
        "T20",
        "208 formulas exported and imported",
        suite=("tests/security/test_formulas.py",),
        unit="formulas, file by file",
        target="none runs, all come back as they were",
    ),
    Turn(
        "T21",
        "secrets and texts in what a site writes",
        suite=("tests/security/test_secrets.py", "tests/security/test_purging.py"),
        target="no secret found anywhere, no text after its time",
    ),
    Turn(
        "T22",
        "a Hub that fails at each request",
        suite=("tests/training/hub/test_push.py",),
        target="one commit, none by halves; refusals not repeated",
    ),
    Turn(
        "T23",
        "MLflow refuses, hangs, fails",
        suite=("tests/training/test_tracking.py",),
        target="no run fails, each metric arrives once",
    ),
    Turn(
        "T24",
        "jobs in any order of events",
        suite=(
            "tests/classifier/jobs/test_lifecycle.py",
            "tests/services/test_jobs.py::test_jobs_keep_their_promises_on_postgresql_too",
        ),
        unit="examples of 50 steps, and planted faults",
        target="each example keeps every promise, on both databases; each fault is found",
    ),
    Turn(
        "T26",
        "1,000 guesses at a password",
        suite=("tests/security/test_login.py",),
        unit="guesses",
        target="10 looked at, at most; the user himself comes in",
    ),
    Turn(
        *("T27", "versions activated under load", "activate_models", ("--activations", "40")),
        alone=True,
    ),
    Turn("T28", "cold starts", "cold_start", alone=True),
    Turn("T29", "a bulk worker killed", "kill_bulk", ("--kills", "15")),
    Turn(
        "T30",
        "backup, wiped, restored",
        suite=("tests/backup", "tests/test_migrations.py"),
        target="every row and file as before",
    ),
)
SOAK = (Turn("T13", "an hour of requests of all sizes", "soak", alone=True),)


def run(turn: Turn) -> tuple[Finding, str]:
    """Run one of them; its finding, whatever came of it, and what it said."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        findings = Path(folder) / "findings"
        if turn.suite:
            return _of_the_suite(turn, Path(folder))
        done = subprocess.run(
            [sys.executable, "-m", f"tests.chaos.{turn.script}", *turn.arguments],
            cwd=ROOT,
            env=os.environ | {FINDINGS: str(findings)},
            capture_output=True,
            text=True,
            check=False,
        )
        found = findings.read_text(encoding="utf-8").splitlines() if findings.exists() else []
        if not found:
            ended = Finding(turn.test, "runs of the script", 1, 1, "it comes to its end", {})
            return ended, done.stdout + done.stderr[-3000:]
        return Finding(**json.loads(found[-1])), done.stdout


def _of_the_suite(turn: Turn, folder: Path) -> tuple[Finding, str]:
    result = folder / "junit.xml"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--quiet"),
            *(f"--junitxml={result}", "--override-ini=junit_family=xunit1"),  # has properties
            *turn.suite,
        ],
        cwd=ROOT,
        env=os.environ | {"REQUIRE_SERVICES": "1", "JOB_EXAMPLES": "1000", "JOB_STEPS": "50"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    tried, failures = 0, 0
    figures: dict[str, str] = {}
    for case in ElementTree.parse(result).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            continue
        told = {
            str(each.get("name")): str(each.get("value"))
            for each in case.iterfind("properties/property")
        }
        tried += int(told.pop(TRIED, "1"))
        failures += case.find("failure") is not None or case.find("error") is not None
        figures |= told
    finding = Finding(turn.test, turn.unit, tried, failures, turn.target, figures)
    said = report(
        turn.test,
        unit=turn.unit,
        tried=tried,
        failures=failures,
        target=turn.target,
        figures=figures,
    )
    return finding, said if finding.met else done.stdout[-3000:] + said


def kept() -> dict[str, Any]:
    return dict(json.loads(KEPT.read_text(encoding="utf-8"))) if KEPT.exists() else {}


def write(findings: dict[str, Any]) -> None:
    """Keep the findings, and make the page of them."""
    order = sorted(findings, key=lambda test: int(test.removeprefix("T")))
    content = {test: findings[test] for test in order}
    KEPT.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    TABLE.write_text(page(content), encoding="utf-8")


def page(findings: dict[str, Any]) -> str:
    """docs/operations/chaos.md of these findings."""
    rows, details = [], []
    for test, said in findings.items():
        fields = {name: said[name] for name in Finding.__dataclass_fields__}
        finding = Finding(**fields)
        cells = (
            *(test, said["what"], f"{finding.tried:,} {finding.unit}", f"{finding.failures:,}"),
            *(f"{finding.upper_bound:.2%}", finding.target, "yes" if finding.met else "**no**"),
        )
        rows.append(f"| {' | '.join(cells)} |")
        figures = "; ".join(f"{name}: {value}" for name, value in finding.figures.items())
        details.append(
            f"- **{test}**, {said['day']}, {said['seconds']:,} s on {said['machine']}. {figures}"
        )
    return HEAD + "\n".join(rows) + "\n\n## Figures\n\n" + "\n".join(details) + "\n"


def machine() -> str:
    """Such as: 2 cores, x86_64."""
    return f"{usable_cores()} cores, {platform.machine()}"


def carry_out(turns: Sequence[Turn]) -> list[str]:
    """Run them and keep their findings; those that did not meet their targets.

    Two at a time, those of the suite one after the other; then, each alone, those that want it.
    """
    unmet: list[str] = []
    took = {test: said["seconds"] for test, said in kept().items()}
    # The longest first, so that both lanes end at about the same time.
    ordered = sorted(turns, key=lambda turn: -took.get(turn.test, 0))
    of_suite = deque(turn for turn in ordered if turn.suite)
    beside = deque(turn for turn in ordered if not turn.suite and not turn.alone)
    keeping = threading.Lock()

    def finish(turn: Turn) -> None:
        started = time.monotonic()
        sys.stdout.write(f"{turn.test} begins: {turn.what}\n")
        sys.stdout.flush()
        finding, said = run(turn)
        facts = {
            "what": turn.what,
            "day": datetime.now(UTC).date().isoformat(),
            "seconds": round(time.monotonic() - started),
            "machine": machine(),
        }
        with keeping:
            sys.stdout.write(f"\n{turn.test}: {turn.what}\n{said}")
            sys.stdout.flush()
            write(kept() | {turn.test: asdict(finding) | facts})
            if not finding.met:
                unmet.append(turn.test)

    def lane(*queues: deque[Turn]) -> None:
        for queue in queues:
            while True:
                try:
                    turn = queue.popleft()
                except IndexError:  # the other lane took the last
                    break
                finish(turn)

    with ThreadPoolExecutor(2) as lanes:
        ended = [lanes.submit(lane, of_suite, beside), lanes.submit(lane, beside)]
    for each in ended:
        each.result()
    for turn in turns:
        if turn.alone:
            finish(turn)
    return unmet


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--soak", action="store_true", help="the hour of T13")
    parser.add_argument("--only", nargs="+", metavar="T", help="such as T7 T9")
    options = parser.parse_args(arguments)
    turns: Sequence[Turn] = SOAK if options.soak else TURNS
    if options.only:
        turns = [turn for turn in (*TURNS, *SOAK) if turn.test in options.only]
    with ExitStack() as stack:
        if "TEST_DATABASE_URL" not in os.environ and any(turn.suite for turn in turns):
            os.environ["TEST_DATABASE_URL"] = stack.enter_context(own_postgresql()).url
        unmet = carry_out(turns)
    if unmet:
        sys.stdout.write(f"\nNot met: {', '.join(unmet)}\n")
    return 1 if unmet else 0


if __name__ == "__main__":
    sys.exit(main())
