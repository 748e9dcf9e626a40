"""Work that the Celery worker does."""

import logging

from classifier import services
from classifier.bulk_jobs import retention, work
from reviewsite.celery import app

logger = logging.getLogger(__name__)


@app.task
def purge_expired_texts() -> None:
    logger.info("Purged the texts of %s predictions", services.purge_expired_texts())
    logger.info("Purged the files of %s bulk jobs", retention.purge_expired())


@app.task
def rate_bulk_jobs() -> None:
    """Wake-up for a worker of the queue `bulk`: whatever waits is its work."""
    work.work()


@app.task
def reap_bulk_jobs() -> None:
    work.reap()
