"""Files in the database: written and read a piece at a time, by whatever host needs them."""

import hashlib
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import PurePath
from types import TracebackType
from typing import BinaryIO, Self, cast

from django.db.models import Exists, OuterRef, Q
from django.db.models.fields.reverse_related import ForeignObjectRel

from classifier.jobs import persistently
from classifier.jobs.database import from_now
from classifier.messages import message
from classifier.models import FilePiece, StoredFile

PIECE_BYTES = 1024 * 1024
PIECES_DELETED_AT_ONCE = 64
NAME_CHARS = 255


class FileWriter(io.RawIOBase):
    """A file to be written from its start to its end; `file` is whole once it is closed.

    Every piece is a transaction of its own, so a large file holds no other writer up. An error
    inside its `with` deletes what was written.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.file = _new_file(name)
        self._digest = hashlib.sha256()
        self._buffer = bytearray()
        self._number = self._size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, content: object) -> int:
        """Append bytes; as many as there are are taken."""
        view = memoryview(content).cast("B")  # type: ignore[arg-type]
        self._digest.update(view)
        self._buffer += view
        self._size += len(view)
        while len(self._buffer) >= PIECE_BYTES:
            self._write_piece(bytes(self._buffer[:PIECE_BYTES]))
            del self._buffer[:PIECE_BYTES]
        return len(view)

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        if self._buffer:
            self._write_piece(bytes(self._buffer))
        self.file.size, self.file.sha256 = self._size, self._digest.hexdigest()
        persistently(lambda: self.file.save(update_fields=["size", "sha256"]))

    def discard(self) -> None:
        """Delete what was written."""
        super().close()
        delete_stored(self.file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self.discard()
            return
        try:
            self.close()
        except BaseException:
            self.discard()
            raise

    def _write_piece(self, content: bytes) -> None:
        piece = FilePiece(file=self.file, number=self._number, content=content)
        # Written twice where the answer to the first was lost with the connection.
        persistently(lambda: FilePiece.objects.bulk_create([piece], ignore_conflicts=True))
        self._number += 1


class _PieceReader(io.RawIOBase):
    """A stored file as a seekable stream, of which one piece at a time is in memory."""

    def __init__(self, file: StoredFile) -> None:
        super().__init__()
        self._file = file
        self._position = 0
        self._held: tuple[int, bytes] = (-1, b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._file.size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        number, offset = divmod(self._position, PIECE_BYTES)
        if self._position >= self._file.size or not len(view):
            return 0
        if self._held[0] != number:
            self._held = (number, _piece(self._file, number))
        found = self._held[1][offset : offset + len(view)]
        view[: len(found)] = found
        self._position += len(found)
        return len(found)


def _new_file(name: str) -> StoredFile:
    path = PurePath(name)
    # What is too long loses its middle: the ending says the format.
    suffix = path.suffix[:NAME_CHARS]
    file = StoredFile(name=path.stem[: NAME_CHARS - len(suffix)] + suffix)
    # Made twice where the answer to the first was lost with the connection.
    persistently(lambda: StoredFile.objects.bulk_create([file], ignore_conflicts=True))
    return persistently(lambda: StoredFile.objects.get(pk=file.pk))


def store(stream: BinaryIO, name: str) -> StoredFile:
    """Keep the rest of `stream`; it is there as a whole or not at all."""
    with FileWriter(name) as writer:
        while content := stream.read(PIECE_BYTES):
            writer.write(content)
    return writer.file


def open_stored(file: StoredFile) -> BinaryIO:
    """A seekable stream over a file.

    Raises:
        FileNotFoundError: while reading, where the file is deleted by now.
    """
    return cast(BinaryIO, io.BufferedReader(_PieceReader(file), buffer_size=64 * 1024))


def pieces(file: StoredFile) -> Iterator[bytes]:
    """The bytes of a file, a piece at a time, for a response that streams them."""
    for number in range(-(-file.size // PIECE_BYTES)):
        yield _piece(file, number)


def delete_stored(file: StoredFile | None) -> None:
    """Delete a file, whole or half written, some pieces a transaction."""
    if file is None:
        return
    held = FilePiece.objects.filter(file_id=file.pk)
    # By what is there: the size of a half-written file is not known.
    while some := persistently(
        lambda: list(held.values_list("pk", flat=True)[:PIECES_DELETED_AT_ONCE])
    ):
        persistently(lambda some=some: FilePiece.objects.filter(pk__in=some).delete())  # type: ignore[misc]
    persistently(StoredFile.objects.filter(pk=file.pk).delete)


def delete_unused(*, older_than: timedelta) -> int:
    """Delete the files that no other row names; how many there were."""
    named = Q()
    for relation in StoredFile._meta.get_fields(include_hidden=True):
        if isinstance(relation, ForeignObjectRel) and relation.related_model is not FilePiece:
            field = relation.field
            rows = field.model._base_manager.filter(**{field.name: OuterRef("pk")})
            named |= Q(Exists(rows))
    unused = StoredFile.objects.filter(~named, created_at__lt=from_now(-older_than))
    found = list(unused)
    for file in found:
        delete_stored(file)
    return len(found)


def _piece(file: StoredFile, number: int) -> bytes:
    held = FilePiece.objects.filter(file_id=file.pk, number=number).values_list(
        "content", flat=True
    )
    content = persistently(held.first)
    if content is None:
        raise FileNotFoundError(message("{name} has been deleted.", name=file.name))
    return bytes(content)
