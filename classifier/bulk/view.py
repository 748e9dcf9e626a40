"""A reader with a place of its own in a stream that others read too."""

import io
from typing import BinaryIO

from classifier.bulk.limits import READ_BYTES


class View(io.RawIOBase):
    """Reads `stream` from its start; neither closes it nor minds where others have moved it.

    So that two passes over one upload can go on side by side. For one thread at a time.
    """

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__()
        self._stream = stream
        self._size = stream.seek(0, io.SEEK_END)
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("A place in a stream is not negative.")
        self._place = start + offset
        return self._place

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        self._stream.seek(self._place)
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self._place += len(data)
        return len(data)


def buffered(stream: BinaryIO) -> io.BufferedReader:
    return io.BufferedReader(View(stream), READ_BYTES)
