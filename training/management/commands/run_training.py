"""manage.py run_training: one attempt of a run, as the worker starts it."""

import os
import sys
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError

from classifier.jobs import Claim
from reviewsite.logs import request_id
from training.jobs import DATABASE_AWAY, REQUEST_ID
from training.jobs.parent import die_with
from training.models import TrainingRun

NICENESS = 5  # a site on the same machine answers first


class Command(BaseCommand):
    help = (
        "Internal: one attempt of a training run, started by the worker of the queue `training`, "
        "which holds the run's claim. To train from the terminal: finetune."
    )
    # Of a site that runs: checking it once more takes each attempt a second.
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=UUID, help="id of the run")
        parser.add_argument("--attempt", type=int, required=True, help="number of the claim")
        parser.add_argument("--owner", required=True, help="owner of the claim")
        parser.add_argument("--parent", type=int, help="process that this one ends with")

    def handle(self, *args: Any, **options: Any) -> None:
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
