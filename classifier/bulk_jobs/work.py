"""What a woken worker does: its own jobs, and a hand for those of others."""

import logging
import time
from datetime import timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from classifier.bulk_jobs import rating
from classifier.bulk_jobs.chunk_claims import FREE, claim_chunk
from classifier.bulk_jobs.coordination import POLL, coordinate
from classifier.bulk_jobs.helpers import call_for_help, wake_task
from classifier.bulk_jobs.retention import drop_inputs
from classifier.bulk_jobs.served import (
    Served,
    served,
    tell_waiting_for_model,
    tell_waiting_for_other_model,
)
from classifier.exceptions import ModelNotReady
from classifier.jobs import Claim, ClaimLost, persistently
from classifier.jobs.database import from_now
from classifier.jobs.shutdown import shutting_down
from classifier.jobs.wake import AGAIN_AFTER, wake_waiting
from classifier.models import BulkChunk, BulkJob
from reviewsite.logs import request_id

logger = logging.getLogger(__name__)


def work() -> None:
    """Work until there is nothing to do, or this worker is asked to end.

    Without a model the jobs stay queued and say why: a model that is put there later rates them,
    as it answers the site's form, and nobody need retry anything. The reaper wakes a worker for
    them again, so that nothing turns in circles meanwhile.
    """
    while not shutting_down() and _anything():
        try:
            model = served()
        except ModelNotReady as error:
            tell_waiting_for_model(error.message)
            return
        if claim := _claim_next(model):
            coordinate(claim, model)
        elif not _lend_a_hand(model):
            tell_waiting_for_other_model(model)
            return


def reap() -> None:
    """Take back the jobs of lost workers, and wake workers for all that waits."""
    for reaped in BulkJob.objects.reap():
        logger.warning("Bulk job %s lost its worker: %s", reaped.pk, reaped.status)
        if reaped.status == BulkJob.Status.CANCELLED:
            drop_inputs(BulkJob.objects.get(pk=reaped.pk))
    if wake_waiting(wake_task(), BulkJob):
        return
    # A job that runs gets a helper where there is work for one: also a worker that was started
    # after the others were called.
    lately = Q(woken_at__isnull=False, woken_at__gt=from_now(timedelta(seconds=-AGAIN_AFTER)))
    if job := _helpable().exclude(lately).order_by("queued_at", "pk").first():
        call_for_help(job.pk, at_once=True)


def _anything() -> bool:
    """Whether loading the model is worth it."""
    return any(
        persistently(jobs.exists)
        for jobs in (BulkJob.objects.claimable(), _splitting(), _helpable())
    )


def _running() -> "QuerySet[BulkJob]":
    running: QuerySet[BulkJob] = BulkJob.objects.filter(
        status=BulkJob.Status.RUNNING, cancel_requested=False
    )
    return running


def _splitting() -> "QuerySet[BulkJob]":
    return _running().filter(split_at__isnull=True)


def _helpable() -> "QuerySet[BulkJob]":
    """Those that have a chunk to give."""
    free = BulkChunk.objects.filter(FREE, job=OuterRef("pk"), rated_at__isnull=True)
    return _running().filter(Exists(free))


def _claim_next(model: Served) -> Claim | None:
    """The job that has waited longest of those that this model may rate."""
    tried: set[object] = set()
    while True:
        waiting = BulkJob.objects.claimable().filter(model.mine).exclude(pk__in=tried)
        pk = persistently(waiting.order_by("queued_at", "pk").values_list("pk", flat=True).first)
        if pk is None:
            return None
        if claim := BulkJob.objects.claim(pk):
            return claim
        tried.add(pk)


def _lend_a_hand(model: Served) -> bool:
    """Rate a chunk of a job that another worker coordinates; False where there is none.

    Where this worker's model cannot, the coordinator will find that out and say so.
    """
    jobs = _helpable().filter(model_version=model.version).order_by("queued_at", "pk")
    for job in persistently(lambda: list(jobs)):
        if claim := claim_chunk(job.pk):
            call_for_help(job.pk)
            try:
                with request_id.bound(job.request_id):
                    rating.rate(claim, model, keep_texts=job.keep_texts)
            except ClaimLost as error:
                logger.info("%s", error)
            except ModelNotReady as error:
                logger.warning("This worker cannot help: %s", error)
                return False
            return True
    # Where a job is being split there will be chunks in a moment.
    if persistently(_splitting().filter(model.mine).exists):
        time.sleep(POLL)
        return True
    return False
