"""Work that the Celery worker does."""

import logging

from celery import shared_task

from classifier import services

logger = logging.getLogger(__name__)


@shared_task
def purge_expired_texts() -> None:
    logger.info("Purged the texts of %s predictions", services.purge_expired_texts())
