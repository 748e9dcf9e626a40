"""Work that the Celery worker does."""

import logging

from celery import shared_task

from classifier import services
from classifier.bulk_jobs import retention, work

logger = logging.getLogger(__name__)


@shared_task
def purge_expired_texts() -> None:
    logger.info("Purged the texts of %s predictions", services.purge_expired_texts())
    logger.info("Purged the files of %s bulk jobs", retention.purge_expired())


@shared_task
def rate_bulk_jobs() -> None:
    """Wake-up for a worker of the queue `bulk`: whatever waits is its work."""
    work.work()


@shared_task
def reap_bulk_jobs() -> None:
    work.reap()
