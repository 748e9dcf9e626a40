"""What was said of all chunks, joined into the result."""

from collections.abc import Callable, Iterator
from pathlib import PurePath

from classifier.bulk.ratings import RowRating, Summary, ratings_from_bytes
from classifier.bulk.writing import write_result
from classifier.bulk_jobs.upload import open_upload
from classifier.files import FileWriter
from classifier.jobs import persistently
from classifier.models import BulkChunk, BulkJob, StoredFile

PAGE = 16  # chunks whose ratings are in memory at once


def join(job: BulkJob, look: Callable[[], None]) -> tuple[StoredFile, Summary]:
    """Write the result of a job all of whose chunks are rated.

    Args:
        look: called every few thousand rows; what it raises ends the writing, which leaves
            nothing behind.

    Raises:
        TableError: the upload is not what was rated.
        FileNotFoundError: it is gone.
    """
    with open_upload(job) as table, FileWriter(result_name(job.filename)) as out:
        summary = write_result(table, _ratings(job, look), out)  # type: ignore[arg-type]
    return out.file, summary


def result_name(filename: str) -> str:
    """`reviews.csv` gives `reviews-rated.csv`."""
    path = PurePath(filename)
    return f"{path.stem}-rated{path.suffix}"


def _ratings(job: BulkJob, look: Callable[[], None]) -> Iterator[RowRating]:
    last = 0
    while True:
        look()
        page = BulkChunk.objects.filter(job=job, number__gt=last, number__lte=last + PAGE)
        outputs = page.order_by("number").values_list("output", flat=True)
        found = persistently(lambda outputs=outputs: list(outputs))  # type: ignore[misc]
        if not found:
            return
        for output in found:
            yield from ratings_from_bytes(bytes(output))
        last += PAGE
