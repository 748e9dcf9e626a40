"""JSON, packed: how chunks and ratings are kept in a folder, a database or a message."""

import json
import zlib
from typing import Any

from classifier.bulk.errors import PartsError
from classifier.messages import message

MAX_UNPACKED = 128 * 1024**2  # a chunk's characters, four bytes each, and room to spare


def pack(content: object) -> bytes:
    """The same bytes for the same content, with a checksum in them (zlib's)."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return zlib.compress(text.encode(), level=1)


def unpack(data: bytes) -> Any:
    """What was packed.

    Raises:
        PartsError: it is cut off, changed or larger than any chunk.
    """
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, MAX_UNPACKED)
        if unpacker.eof and not unpacker.unused_data:
            return json.loads(text)
    except (zlib.error, ValueError, RecursionError):
        pass
    raise broken(message("packed JSON"))


def broken(what: str) -> PartsError:
    return PartsError(
        code="part_broken",
        rule=message("What is kept of a chunk must be {what} as it was written.", what=what),
        value=message("something else"),
        remedy=message("Remove it; the chunk is then rated again."),
    )
