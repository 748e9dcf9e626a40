"""What Celery runs of training: a wake-up, and the search for lost workers."""

import logging

from django.conf import settings

from classifier.jobs.shutdown import shutting_down
from classifier.jobs.wake import wake_waiting
from reviewsite.celery import app
from training.jobs.pausing import resume_where_there_is_room
from training.jobs.supervision import supervise
from training.models import TrainingRun

logger = logging.getLogger(__name__)


@app.task
def train() -> None:
    """Carry out the runs that wait, one after the other, until none does."""
    while not shutting_down():
        resume_where_there_is_room(again_after=settings.REAP_SECONDS)
        claim = TrainingRun.objects.claim_next()
        if claim is None:
            return
        supervise(claim)


@app.task
def reap_training_runs() -> None:
    """Take back the runs of lost workers, and wake a worker for those that wait or are paused."""
    for reaped in TrainingRun.objects.reap():
        logger.warning("The worker of run %s was lost; it is %s", reaped.pk, reaped.status)
    if sent := wake_waiting(train, TrainingRun):
        logger.info("Woke workers for %d runs that wait", sent)
