"""Work that the Celery worker does."""

import logging

from django.contrib.sessions.backends.db import SessionStore

from classifier import services
from classifier.bulk_jobs import retention, work
from classifier.exceptions import ModelNotReady
from classifier.models import IdempotentRequest, ModelVersion, RateWindow, Worker
from classifier.versions import answers
from classifier.workers import give_sign
from reviewsite import login
from reviewsite.celery import app

logger = logging.getLogger(__name__)

TURN = 10.0  # seconds; a file waits no longer for a comparison


@app.task
def purge_expired_texts() -> None:
    logger.info("Purged the texts of %s predictions", services.purge_expired_texts())
    logger.info("Purged the files of %s bulk jobs", retention.purge_expired())
    logger.info("Purged %s idempotent requests", IdempotentRequest.objects.purge())
    logger.info("Purged %s counts of requests", RateWindow.objects.purge())
    logger.info("Purged %s failed logins", login.purge_failures())
    Worker.objects.gone().delete()
    SessionStore.clear_expired()  # one of each visitor who had a review rated


@app.task
def rate_bulk_jobs() -> None:
    """Wake-up for a worker of the queue `bulk`: whatever waits is its work."""
    work.work()


@app.task
def reap_bulk_jobs() -> None:
    give_sign(Worker.SCHEDULE)
    work.reap()


@app.task
def rate_frozen(version: int) -> None:
    """Let a version answer the frozen rows that it owes, in turns with files."""
    found = ModelVersion.objects.filter(pk=version).first()
    if found and (owed := answers.rate_frozen(found, seconds=TURN)):
        logger.info("%s owes answers to %d frozen rows", found, owed)
        rate_frozen.delay(version)


@app.task
def rate_shadows() -> None:
    try:
        if rated := answers.rate_shadows(seconds=TURN):
            logger.info("Rated %d texts in the shadow", rated)
    except ModelNotReady as error:
        logger.error("A version in the shadow cannot rate: %s", error)
