"""Deleting texts that somebody wants gone: of predictions, and of files of reviews that hold them.

Digest, label and scores of a prediction stay, and what reviewers said of it.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import transaction

from classifier.bulk.errors import TableError
from classifier.bulk.tables import open_table
from classifier.bulk_jobs import retention
from classifier.exceptions import InvalidText
from classifier.files import open_stored
from classifier.models import (
    AuditEntry,
    BulkJob,
    Prediction,
    PredictionQuerySet,
    StoredFile,
    audit_entry,
    text_digest,
)
from classifier.texts import clean_review_text


class PurgedFiles(NamedTuple):
    """What became of jobs whose files are to go."""

    purged: int
    busy: int
    """Those at work, which keep their files until they are over."""


def purge_texts(predictions: PredictionQuerySet, *, actor: Any = None, reason: str = "") -> int:
    """Empty the texts of these predictions, with an entry in the audit log; how many there were."""
    with transaction.atomic():
        purged = predictions.purge_texts()
        if purged:
            audit_entry(
                AuditEntry.Action.TEXTS_PURGED,
                "predictions",
                actor,
                after={"texts": purged},
                reason=reason,
            ).save()
    return purged


def purge_own_text(prediction: Prediction) -> None:
    """Empty the text of a prediction because who sent it asks for that."""
    with transaction.atomic():
        if Prediction.objects.filter(pk=prediction.pk).purge_texts():
            audit_entry(
                AuditEntry.Action.TEXTS_PURGED,
                prediction,
                None,
                after={"texts": 1},
                reason="The visitor who sent it asked for it.",
            ).save()


def purge_files_before(time: datetime) -> PurgedFiles:
    """Delete the files of jobs that were sent before a time."""
    return _purge([*_with_files().filter(created_at__lt=time)])


def purge_files_with(digests: Collection[str]) -> PurgedFiles:
    """Delete the files of jobs in which one of these texts is; each is read for that."""
    wanted = frozenset(digests)
    return _purge([job for job in _with_files() if wanted and _holds(job, wanted)])


def _with_files() -> Any:
    return BulkJob.objects.select_related("upload", "result").filter(purged_at=None)


def _purge(jobs: list[BulkJob]) -> PurgedFiles:
    over = [job for job in jobs if job.is_over]
    for job in over:
        retention.purge(job)
    return PurgedFiles(len(over), len(jobs) - len(over))


def _holds(job: BulkJob, wanted: frozenset[str]) -> bool:
    return any(
        _has_text(file, job.text_column, wanted) for file in (job.upload, job.result) if file
    )


def _has_text(file: StoredFile, column: str, wanted: frozenset[str]) -> bool:
    """What cannot be read to its end counts as if it had the text."""
    try:
        with open_stored(file) as stream, open_table(stream, file.name) as table:
            return any(_digest(row.cells.get(column)) in wanted for row in table.rows())
    except (TableError, FileNotFoundError):
        return True


def _digest(cell: object) -> str:
    try:
        return text_digest(clean_review_text(cell, max_chars=settings.CLASSIFIER_MAX_CHARS))
    except InvalidText:
        return ""
