"""Uploads: the one file of a request, on disk while it comes in, and no more than is allowed."""

import errno
import tempfile
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

from classifier.exceptions import ClassifierError
from classifier.messages import message

FIELD = "file"
READ_AWAY = 10  # times the largest file; of what is longer not even the rest is read


class UploadRefused(ClassifierError):
    """The request has no file that can be taken.

    Attributes:
        status: the HTTP status that says so.
    """

    def __init__(self, *, status: int = 400, **said: str) -> None:
        super().__init__(**said)
        self.status = status


class OneFileHandler(FileUploadHandler):
    """Takes the one file of a request into a file that has no name on disk.

    What is too much is read away and not kept: a connection that is closed while its sender still
    sends is reset, and the sender never learns why.
    """

    chunk_size = 256 * 1024
    refusal: UploadRefused | None = None
    file: UploadedFile

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        if self.field_name != FIELD or hasattr(self, "file"):
            self._refuse(not_one_file())
        folder = settings.VAR_DIR / "tmp"  # /tmp may be memory
        folder.mkdir(parents=True, exist_ok=True)
        kept = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # closed with the request
        self.file = UploadedFile(kept, self.file_name, self.content_type, 0)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > settings.BULK_MAX_BYTES:
            self._refuse(too_large())
        try:
            self.file.write(raw_data)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            self._refuse(_no_room())

    def file_complete(self, file_size: int) -> UploadedFile:
        self.file.seek(0)
        self.file.size = file_size
        return self.file

    def _refuse(self, refusal: UploadRefused) -> None:
        self.refusal = self.refusal or refusal
        raise SkipFile


def receive_uploads(request: HttpRequest) -> None:
    """Have the file of `request` taken by OneFileHandler; before anything of it is read.

    Raises:
        UploadRefused: so large, or so sent, that none of it should be read.
    """
    if "chunked" in request.headers.get("Transfer-Encoding", "").lower():
        raise UploadRefused(
            status=411,
            code="length_missing",
            rule=message("A request with a file must say its length."),
            value=message("Transfer-Encoding: chunked"),
            remedy=message("Send Content-Length, as curl -F does."),
        )
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and int(length) > READ_AWAY * settings.BULK_MAX_BYTES:
        raise too_large()
    request.upload_handlers = [OneFileHandler(request)]


def uploaded_file(request: HttpRequest) -> UploadedFile:
    """The file of a request, at its start.

    Raises:
        UploadRefused: there is none, it is empty or too large, or there are several.
    """
    files = request.FILES  # reads the request
    for handler in request.upload_handlers:
        if isinstance(handler, OneFileHandler) and handler.refusal:
            raise handler.refusal
    file = files.get(FIELD)
    if file is None:
        raise UploadRefused(
            code="file_missing",
            rule=message("A request must have a file in the field {field}.", field=FIELD),
            value=message("none"),
            remedy=message("Choose a file."),
        )
    if not file.size:
        raise UploadRefused(
            code="file_empty",
            rule=message("A file must have at least one byte."),
            value=message("0 bytes"),
            remedy=message("Choose a file that has a row of column names and reviews below it."),
        )
    return file


def too_large() -> UploadRefused:
    return UploadRefused(
        status=413,
        code="file_too_large",
        rule=message("A file may have {bytes:,} bytes at most.", bytes=settings.BULK_MAX_BYTES),
        value=message("more"),
        remedy=message("Cut it into several files, or have the site's BULK_MAX_BYTES raised."),
    )


def not_one_file() -> UploadRefused:
    return UploadRefused(
        code="files_several",
        rule=message("A request must have one file, in the field {field}.", field=FIELD),
        value=message("another file"),
        remedy=message("Send the files one after the other."),
    )


def _no_room() -> UploadRefused:
    return UploadRefused(
        status=507,
        code="no_room",
        rule=message("The site must have room for the file."),
        value=message("its disk is full"),
        remedy=message("Ask whoever runs the site to make room, then send the file again."),
    )
