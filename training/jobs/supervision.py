"""The worker's side of a run: a fresh process for each attempt, watched until it has ended."""

import logging
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import Error, connection

from classifier.jobs import Claim, ClaimLost, persistently
from classifier.jobs.shutdown import shutting_down
from classifier.messages import message
from reviewsite.logs import LINE, request_id
from training.jobs import DATABASE_AWAY, REQUEST_ID
from training.jobs.output import output_file, tail
from training.jobs.pausing import disk_full, nearly_full, pause
from training.models import TrainingRun
from training.runs.names import NAME

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # between looks at the process and at the row
STARTING = "starting"  # the stage until the process tells its own
START_SECONDS = 300.0  # that Python and the libraries may take until then
SHUTDOWN_SECONDS = 1.0  # between a process group's SIGTERM to the child and to this worker
# Bars in a log are noise, and what is printed shall be there when the process is killed.
ENVIRONMENT = {
    "TQDM_DISABLE": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "PYTHONUNBUFFERED": "1",
    "LOG_FORMAT": LINE,  # people read it on the page of the run
}
SAID_LINES = 5  # of the log, in the error of a process that failed


def command(claim: Claim) -> list[str]:
    """What is started for an attempt. No token or text is in it: every user sees arguments."""
    return [
        *(sys.executable, str(settings.BASE_DIR / "manage.py"), "run_training", str(claim.pk)),
        *("--attempt", str(claim.attempt), "--owner", claim.owner, "--parent", str(os.getpid())),
    ]


def supervise(claim: Claim) -> None:
    """Carry out one attempt of a run, to its end or to where it has to stop.

    The process writes how it ended. What it could not write is written here: that it was killed,
    or that it failed before it could speak.
    """
    try:
        held = TrainingRun.objects.filter(pk=claim.pk).values_list("name", "request_id")
        found = persistently(held.first)
        if found is None:
            return  # deleted
        name, sent_by = found
        if not NAME.fullmatch(name):  # no door lets it in; but it becomes a path
            claim.fail(
                message(
                    "A run's name must be one that names no path, but it is {name!r}.", name=name
                )
            )
            return
        with request_id.bound(sent_by):
            claim.write(stage=STARTING)
            with _started(claim, name) as process:
                logger.info("Run %s: attempt %d is process %d", name, claim.attempt, process.pid)
                _Supervision(claim, process).until_its_end()
            logger.info("Run %s: %s", name, process.said)
            _settle(claim, name, process)
    except ClaimLost:
        pass  # the process has said how it ended, or the run is another worker's
    except OSError as error:
        with suppress(ClaimLost):
            if lack := disk_full(error):
                pause(claim, lack, stage="")
                return
            claim.fail(
                message(
                    "The process of a run must start, but: {error}. Mend that, then retry.",
                    error=error,
                )
            )


class _Process:
    """The process of an attempt, in a group of its own."""

    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self._popen = popen
        self.pid = popen.pid
        self.peak_bytes = 0
        """Most memory that it or one of its own processes had, once it has ended."""

    def code(self) -> int | None:
        """As Popen.poll; looks by itself, because only so is the memory of this process known."""
        if self._popen.returncode is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self._popen.returncode = os.waitstatus_to_exitcode(status)
                self.peak_bytes = _bytes(usage)
        return self._popen.returncode

    def send(self, number: int) -> None:
        """To the process alone for SIGTERM, which it obeys; SIGKILL takes its group along."""
        if self.code() is None:
            send = os.killpg if number == signal.SIGKILL else os.kill
            send(self.pid, number)

    def wait(self, seconds: float) -> int | None:
        deadline = time.monotonic() + seconds
        while self.code() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.code()

    @property
    def said(self) -> str:
        """How it ended, in a sentence."""
        code = self.code()
        if code is None or code >= 0:
            return message("Its process ended with {code}.", code=code)
        name = signal.Signals(-code).name
        if not self.peak_bytes:
            return message("Its process was killed by {signal}.", signal=name)
        return message(
            "Its process was killed by {signal} having used {memory:,.0f} MB.",
            signal=name,
            memory=self.peak_bytes / 1e6,
        )


@contextmanager
def _started(claim: Claim, name: str) -> Iterator[_Process]:
    """The process; it does not outlive the `with`, whatever ends it."""
    log_file = output_file(name)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        popen = subprocess.Popen(  # noqa: S603  this interpreter, this project
            command(claim),
            env=os.environ | ENVIRONMENT | {REQUEST_ID: request_id.current()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # Ctrl-C is for the worker, which says it in its own way
        )
    process = _Process(popen)
    try:
        yield process
    finally:
        if process.code() is None:  # the worker is made to end at once
            process.send(signal.SIGTERM)
            if process.wait(SHUTDOWN_SECONDS) is None:
                process.send(signal.SIGKILL)
                process.wait(SHUTDOWN_SECONDS)


@dataclass
class _Supervision:
    """Looks at a process and at the run's row, and ends the one where the other says so."""

    claim: Claim
    process: _Process
    stopping: bool = False
    terminate_at: float = float("inf")
    kill_at: float = float("inf")

    def until_its_end(self) -> None:
        started = time.monotonic()
        while self.process.code() is None:
            now = time.monotonic()
            if shutting_down() and not self.stopping:
                self.stopping = True
                _mark_stopping(self.claim)
                self.terminate_at = now
            elif self.terminate_at == float("inf") and self._shall_end(now - started):
                # It finds out by itself, at its next step.
                self.terminate_at = now + settings.TRAINING_CANCEL_SECONDS
            if now >= self.terminate_at and self.kill_at == float("inf"):
                self.process.send(signal.SIGTERM)
                self.kill_at = now + settings.TRAINING_STOP_SECONDS
            if now >= self.kill_at:
                self.process.send(signal.SIGKILL)
            time.sleep(LOOK_SECONDS)

    def _shall_end(self, seconds: float) -> bool:
        """Whether the run is cancelled, over, or another worker's."""
        try:
            row = self._row()
            if row is None or row["cancel_requested"]:
                return True
            if row["stage"] == STARTING and seconds < START_SECONDS:
                self.claim.heartbeat()  # until it has a heart of its own
        except ClaimLost:
            return True
        except Error as error:
            # The process goes on, and it has a heart of its own.
            logger.warning("No look at run %s: %s", self.claim.pk, error)
            connection.close()
        return False

    def _row(self) -> dict[str, Any] | None:
        held = TrainingRun.objects.filter(
            pk=self.claim.pk,
            attempt=self.claim.attempt,
            lease_owner=self.claim.owner,
            status=TrainingRun.Status.RUNNING,
        )
        row: dict[str, Any] | None = held.values("stage", "cancel_requested").first()
        return row


def _settle(claim: Claim, name: str, process: _Process) -> None:
    """Write how the process ended, where it did not do so itself.

    Raises:
        ClaimLost: it did.
    """
    code = process.code() or 0
    if code == -signal.SIGTERM:
        # Whoever stops a whole group sends it to the child as well, and maybe to it first.
        time.sleep(SHUTDOWN_SECONDS)
        if shutting_down():
            _mark_stopping(claim)
    # A database on a full disk does not take how it ended, and Python itself may not start on one.
    if code > 0 and (lack := nearly_full(process.said)):
        pause(claim, lack, stage="")
    elif code < 0 or code == DATABASE_AWAY:
        status = claim.lost(process.said)
        logger.warning("Run %s: %s It is %s.", name, process.said, status)
    else:
        log = output_file(name)
        last = "\n".join(tail(log).splitlines()[-SAID_LINES:])
        claim.fail(
            message(
                "{said} It must say how the run ended, but its last words are:\n{last}",
                said=process.said,
                last=last,
            )
        )


def _mark_stopping(claim: Claim) -> None:
    """Before anything else: whoever stops this worker may soon lose patience and kill it."""
    try:
        claim.write(stopping=True)
    except (ClaimLost, Error) as error:
        logger.warning("That this worker stops could not be written: %s", error)


def _bytes(usage: "resource.struct_rusage") -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
