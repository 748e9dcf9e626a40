"""manage.py run_training: one attempt of a run, as a worker starts it; or the next run's."""

import os
import signal
import socket
import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import InterfaceError, OperationalError

from classifier.jobs import Claim
from reviewsite.logs import request_id
from reviewsite.time_limits import limit_worker
from training.jobs import DATABASE_AWAY, REQUEST_ID
from training.jobs.parent import die_with
from training.models import TrainingRun

LOOK_SECONDS = 300.0  # each look for room by --next costs the start of a process
NICENESS = 5  # a site on the same machine answers first


class Command(BaseCommand):
    help = (
        "With --next, carries out the run that has waited longest and ends: a worker for one run, "
        "such as a Job of Kubernetes. Otherwise internal: one attempt of a training run, started "
        "by a worker that holds its claim. To train from the terminal: finetune."
    )
    # Of a site that runs: checking it once more takes each attempt a second.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=UUID, nargs="?", help="id of the run")
        parser.add_argument("--next", action="store_true", help="take the run that waits longest")
        parser.add_argument("--attempt", type=int, help="number of the claim")
        parser.add_argument("--owner", help="owner of the claim")
        parser.add_argument("--parent", type=int, help="process that this one ends with")

    def handle(self, *args: Any, **options: Any) -> None:
        limit_worker()
        if options["next"]:
            if options["run"]:
                raise CommandError("Give either a run or --next.")
            self._carry_out_next()
            return
        if options["run"] is None or options["attempt"] is None or options["owner"] is None:
            raise CommandError("Give --next, or a run with --attempt and --owner.")
        if options["parent"]:
            die_with(options["parent"], grace=settings.TRAINING_STOP_SECONDS)
            os.nice(NICENESS)
        # Here, not at the top: what it imports takes seconds, and the parent may be gone already.
        from training.jobs.attempt import carry_out

        request_id.enter(os.environ.get(REQUEST_ID, ""))
        claim = Claim(
            model=TrainingRun,
            pk=options["run"],
            attempt=options["attempt"],
            owner=options["owner"],
            lease=settings.JOB_LEASE_SECONDS,
        )
        try:
            carry_out(claim)
        except (OperationalError, InterfaceError) as error:
            self.stderr.write(f"The database does not answer: {error}")
            sys.exit(DATABASE_AWAY)

    def _carry_out_next(self) -> None:
        """As a worker of the queue `training`, for one run: SIGTERM saves a checkpoint first."""
        from classifier.jobs import shutdown
        from classifier.workers import Signs
        from training.jobs.pausing import resume_where_there_is_room
        from training.jobs.supervision import supervise

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, shutdown.ask)
        resume_where_there_is_room(again_after=LOOK_SECONDS)
        claim = TrainingRun.objects.claim_next()
        if claim is None:
            self.stdout.write("No run waits.")
            return
        signs = Signs(f"training@{socket.gethostname()}:{os.getpid()}", ["training"])
        signs.start()
        try:
            supervise(claim)
        finally:
            signs.stop()
        run = TrainingRun.objects.get(pk=claim.pk)
        self.stdout.write(f"{run.name} is {run.status}")
