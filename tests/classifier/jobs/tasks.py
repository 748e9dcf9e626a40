"""Tasks that only hold a job for a while, for the workers of worker_settings."""

import os
import time
from pathlib import Path

from django.conf import settings

from classifier.jobs import CancelRequested, ClaimLost, Heart
from classifier.jobs.shutdown import shutting_down
from classifier.jobs.wake import wake_waiting
from classifier.models import BulkJob
from reviewsite.celery import app


def note(event: str) -> None:
    """A line of the file `events`; lines of several workers do not mix."""
    with (Path(settings.VAR_DIR) / "events").open("a") as events:
        events.write(f"{event} {os.getpid()}\n")


def hold_jobs() -> None:
    """Work until nothing waits: each job for as many seconds as its `total`."""
    note("message")
    while claim := BulkJob.objects.claim_next():
        note("started")
        ends = time.monotonic() + BulkJob.objects.get(pk=claim.pk).total
        try:
            with Heart(claim) as heart:
                while time.monotonic() < ends:
                    heart.check()
                    if shutting_down():
                        claim.release()
                        return
                    time.sleep(0.05)
            claim.succeed()
        except (ClaimLost, CancelRequested):
            continue
        note("finished")


@app.task
def hold() -> None:
    hold_jobs()


@app.task(acks_late=True)
def hold_with_late_ack() -> None:
    hold_jobs()


@app.task(acks_late=True)
def trust_the_message() -> None:
    """A planted fault: each message is a job, whatever the rows say."""
    note("message")
    note("started")
    time.sleep(3)
    note("finished")


@app.task
def reap() -> None:
    BulkJob.objects.reap()
    wake_waiting(hold, BulkJob, older_than=1)
