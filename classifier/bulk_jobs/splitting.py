"""The upload, cut into the chunks that workers rate."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

from django.conf import settings
from django.db import transaction
from django.db.models import Max, Sum
from django.db.models.functions import Now

from classifier.bulk.chunks import Chunk, chunks
from classifier.bulk.table import Row
from classifier.bulk_jobs.upload import open_upload
from classifier.jobs import Claim, persistently
from classifier.models import BulkChunk, BulkJob

BATCH_CHUNKS = 16  # chunks in one transaction
BATCH_BYTES = 4 * 1024 * 1024  # of them, packed, at most; one chunk may have more
LOOK_EVERY = 4096  # rows that are read over between two looks at the claim


def split(job: BulkJob, claim: Claim, made: Callable[[bool], None]) -> None:
    """Make the chunks of a job that are not there yet, so that others rate the first at once.

    A worker that goes on with another's split takes the row behind its last chunk, whatever the
    limits were by which that one was cut.

    Args:
        made: called with True after each batch, and with False while rows are only read over.

    Raises:
        TableError: the upload cannot be read to its end.
        FileNotFoundError: it is gone.
        ClaimLost: the job is another's.
    """
    there = persistently(lambda: job.chunks.aggregate(last=Max("number"), rows=Sum("rows")))
    last, rows = there["last"] or 0, there["rows"] or 0
    with open_upload(job) as table:
        table.require(job.text_column)
        behind = _behind(table.rows(), rows, made)
        cut = chunks(behind, job.text_column, max_chars=settings.CLASSIFIER_MAX_CHARS)
        for batch in _batches(replace(chunk, number=last + chunk.number) for chunk in cut):
            new = [
                BulkChunk(job=job, number=chunk.number, rows=len(chunk.items), input=content)
                for chunk, content in batch
            ]
            _write(claim, new)
            rows += sum(chunk.rows for chunk in new)
            made(True)
    claim.write(split_at=Now(), total=rows)


def _behind(rows: Iterator[Row], count: int, look: Callable[[bool], None]) -> Iterator[Row]:
    """The rows behind the first `count`."""
    for number, _ in enumerate(itertools.islice(rows, count)):
        if number % LOOK_EVERY == 0:
            look(False)
    return rows


def _batches(found: Iterator[Chunk]) -> Iterator[list[tuple[Chunk, bytes]]]:
    batch: list[tuple[Chunk, bytes]] = []
    size = 0
    for chunk in found:
        content = chunk.to_bytes()
        batch.append((chunk, content))
        size += len(content)
        if len(batch) == BATCH_CHUNKS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _write(claim: Claim, new: list[BulkChunk]) -> None:
    def write() -> None:
        with transaction.atomic():
            claim.write()  # the fence: whoever has lost the job makes no chunk of it
            BulkChunk.objects.bulk_create(new, ignore_conflicts=True)

    persistently(write)
