"""The table that was sent."""

from collections.abc import Iterator
from contextlib import contextmanager

from classifier.bulk.table import Table
from classifier.bulk.tables import open_table
from classifier.files import open_stored
from classifier.messages import message
from classifier.models import BulkJob


@contextmanager
def open_upload(job: BulkJob) -> Iterator[Table]:
    """
    Raises:
        TableError: it is no table that can be read.
        FileNotFoundError: it has been deleted.
    """
    if job.upload is None:
        raise FileNotFoundError(message("{name} has been deleted.", name=job.filename))
    with open_stored(job.upload) as stream, open_table(stream, job.upload.name) as table:
        yield table
