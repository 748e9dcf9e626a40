"""The folder of finished chunks, by which a rating that was killed goes on where it was."""

import fcntl
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from classifier.bulk.chunks import Chunk
from classifier.bulk.errors import PartsError
from classifier.bulk.ratings import RowRating, ratings_from_bytes, ratings_to_bytes
from classifier.messages import message

MANIFEST = "manifest.json"
LOCK = "lock"
RESULT = "result"
_OURS = re.compile(r"\d{7}\.(?:chunk|ratings|kept)|manifest\.json|lock|result|\..+\.draft")


class Parts:
    """`manifest.json` says of what the parts are: input, column, model and limits.

    NNNNNNN.ratings   what was said of a chunk, whole or not there
    NNNNNNN.chunk     a chunk that waits for another process
    NNNNNNN.kept      its predictions are in the database
    result            the draft of the result

    Each file is written under another name and renamed. They are not flushed to the disk one by
    one: what a power cut leaves of one does not pass its checksum, and is rated again.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open(cls, folder: Path, facts: Mapping[str, Any]) -> Self:
        """The parts of a rating with these facts; those of another rating are removed.

        Raises:
            PartsError: someone else is at work here, or the folder holds other things.
        """
        folder.mkdir(exist_ok=True)
        _refuse_strangers(folder)
        parts = cls(folder)
        parts._lock = _locked(folder)
        manifest = folder / MANIFEST
        wanted = json.dumps(facts, sort_keys=True, indent=1)
        if not manifest.is_file() or manifest.read_text(encoding="utf-8") != wanted:
            for file in folder.iterdir():
                if file.name != LOCK:
                    file.unlink()
            write_whole(manifest, wanted.encode())
        return parts

    def read(self, chunk: Chunk) -> list[RowRating] | None:
        """What was said of a chunk; None where it is not there, spoilt or of other rows."""
        try:
            ratings = self.ratings(chunk.number)
        except (FileNotFoundError, PartsError):
            return None
        problems = [item.problem for item in chunk.items]
        fits = len(ratings) == len(problems) and all(
            problem is None or rating.error == problem
            for rating, problem in zip(ratings, problems, strict=True)
        )
        return ratings if fits else None

    def ratings(self, number: int) -> list[RowRating]:
        """Raises:
        PartsError: the file is spoilt.
        FileNotFoundError: there is none.
        """
        return ratings_from_bytes(ratings_file(self.folder, number).read_bytes())

    def all_ratings(self, chunks: int) -> Iterator[RowRating]:
        """Those of the first `chunks` chunks, in order."""
        for number in range(1, chunks + 1):
            yield from self.ratings(number)

    def write(self, number: int, ratings: Sequence[RowRating]) -> None:
        write_whole(ratings_file(self.folder, number), ratings_to_bytes(ratings))

    def is_kept(self, number: int) -> bool:
        return (self.folder / f"{number:07}.kept").exists()

    def mark_kept(self, number: int) -> None:
        (self.folder / f"{number:07}.kept").touch()

    @property
    def draft(self) -> Path:
        return self.folder / RESULT

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    _lock: int = -1


def ratings_file(folder: Path, number: int) -> Path:
    return folder / f"{number:07}.ratings"


def chunk_file(folder: Path, number: int) -> Path:
    return folder / f"{number:07}.chunk"


def write_whole(file: Path, data: bytes) -> None:
    """Write a file that others see whole or not at all; the last of several writers wins."""
    draft = file.with_name(f".{file.name}.{uuid.uuid4().hex}.draft")
    try:
        draft.write_bytes(data)
        os.replace(draft, file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _refuse_strangers(folder: Path) -> None:
    stranger = next((file for file in folder.iterdir() if not _OURS.fullmatch(file.name)), None)
    if stranger is not None:
        raise PartsError(
            code="parts_strange",
            rule=message(
                "{name} must hold nothing but the parts of an earlier run.", name=folder.name
            ),
            value=message("{name}, which is none", name=stranger.name),
            remedy=message("Move it away, or choose another name for the result."),
        )


def _locked(folder: Path) -> int:
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise PartsError(
            code="parts_locked",
            rule=message("One command at a time may write a result."),
            value=message("another is at work in {name}", name=folder.name),
            remedy=message("Wait for it, or choose another name for the result."),
        ) from None
    return descriptor
