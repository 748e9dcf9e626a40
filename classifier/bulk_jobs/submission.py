"""The way in: a file comes, is looked at, and becomes a job.

A browser takes two steps, `receive` and, once its user has chosen the column, `submit_stored`; a
program takes both at once with `submit`.
"""

import itertools
from collections.abc import Callable
from pathlib import PurePath
from typing import BinaryIO

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction

from classifier.bulk import preview as previews
from classifier.bulk.errors import TableError
from classifier.bulk.preview import Preview
from classifier.bulk.tables import format_of, open_table
from classifier.bulk_jobs.errors import BulkError
from classifier.bulk_jobs.helpers import wake_task
from classifier.files import PIECE_BYTES, FileWriter, delete_stored, open_stored
from classifier.jobs.wake import wake_on_commit
from classifier.messages import message
from classifier.models import BulkJob, Prediction, StoredFile


def submit(
    stream: BinaryIO,
    filename: str,
    *,
    text_column: str,
    keep_texts: bool,
    source: Prediction.Source,
    owner: AbstractBaseUser | None = None,
    made: Callable[[BulkJob], None] | None = None,
) -> BulkJob:
    """Queue the rating of a file, as `receive` and `submit_stored` together.

    Raises:
        TableError, BulkError: as those; nothing is kept.
    """
    file = receive(stream, filename)
    try:
        return submit_stored(
            file,
            text_column=text_column,
            keep_texts=keep_texts,
            source=source,
            owner=owner,
            made=made,
        )
    except BaseException:
        delete_stored(file)
        raise


def receive(stream: BinaryIO, filename: str) -> StoredFile:
    """Keep an upload that is a table; one that is never submitted is deleted after a day.

    Args:
        stream: read to its end, a piece at a time.
        filename: as its sender calls it; its ending says the format.

    Raises:
        TableError: it is no table with a row in it; nothing is kept.
        BulkError: it is too large, or too many jobs wait; nothing is kept.
    """
    name = _cleaned(filename)
    format_of(name)
    _refuse_if_full()
    with FileWriter(name) as writer:
        while content := stream.read(PIECE_BYTES):
            if writer.tell() + len(content) > settings.BULK_MAX_BYTES:
                raise BulkError(
                    code="bulk_too_large",
                    rule=message(
                        "A file may have {bytes:,} bytes at most.",
                        bytes=settings.BULK_MAX_BYTES,
                    ),
                    value=message("more"),
                    remedy=message("Send it in parts."),
                )
            writer.write(content)
    try:
        _look(writer.file)
    except BaseException:
        delete_stored(writer.file)
        raise
    return writer.file


def preview_stored(file: StoredFile, rows: int = 5) -> Preview:
    """The first rows of a received file, and the likeliest text column.

    Raises:
        TableError: the beginning cannot be read.
        FileNotFoundError: the file is deleted by now.
    """
    with open_stored(file) as stream, open_table(stream, file.name) as table:
        return previews.preview(table, rows)


def submit_stored(
    file: StoredFile,
    *,
    text_column: str,
    keep_texts: bool,
    source: Prediction.Source,
    owner: AbstractBaseUser | None = None,
    made: Callable[[BulkJob], None] | None = None,
) -> BulkJob:
    """Queue the rating of a received file. Sent twice, it is one job: the first.

    Args:
        keep_texts: keep each text as a prediction; else nothing of the texts is kept.
        made: called in the transaction that makes the job, which it may undo by raising.

    Raises:
        TableError: it has no such column.
        BulkError: too many jobs wait.
        FileNotFoundError: the file is deleted by now.
    """
    if job := _job_of(file):
        return job
    _refuse_if_full()
    _look(file, text_column)
    try:
        with transaction.atomic():
            created: BulkJob = BulkJob.objects.create(
                filename=file.name,
                upload=file,
                text_column=text_column,
                keep_texts=keep_texts,
                source=source,
                owner=owner,
            )
            if made:
                made(created)
            wake_on_commit(wake_task(), created)
            return created
    except IntegrityError as error:
        if job := _job_of(file):
            return job
        raise FileNotFoundError(message("{name} has been deleted.", name=file.name)) from error


def _job_of(file: StoredFile) -> BulkJob | None:
    job: BulkJob | None = BulkJob.objects.filter(upload=file).first()
    return job


def _look(file: StoredFile, text_column: str | None = None) -> None:
    with open_stored(file) as stream, open_table(stream, file.name) as table:
        if text_column is not None:
            table.require(text_column)
        if not list(itertools.islice(table.rows(), 1)):
            raise TableError(
                code="table_without_rows",
                rule=message("A table must have a row below the names of its columns."),
                value=message("none"),
                remedy=message("Choose a file with reviews in it."),
            )


def _refuse_if_full() -> None:
    waiting = BulkJob.objects.active().count()
    if waiting >= settings.BULK_MAX_WAITING:
        raise BulkError(
            code="bulk_queue_full",
            rule=message(
                "At most {most:,} files may wait to be rated.",
                most=settings.BULK_MAX_WAITING,
            ),
            value=message("{count:,}", count=waiting),
            remedy=message("Send it again when some of them are done."),
        )


def _cleaned(filename: str) -> str:
    """The last part of a path, without what no database keeps."""
    name = PurePath(filename.replace("\\", "/")).name
    return "".join("_" if not letter.isprintable() else letter for letter in name)
