import hashlib
import io
import random
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import OperationalError
from django.utils import timezone

from classifier import files
from classifier.files import (
    PIECE_BYTES,
    FileWriter,
    delete_stored,
    delete_unused,
    open_stored,
    pieces,
    store,
)
from classifier.models import BulkJob, FilePiece, StoredFile

pytestmark = pytest.mark.django_db

SIZES = [
    *(0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1),
    *(2 * PIECE_BYTES, 2 * PIECE_BYTES + 12345),
]


def content_of(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_stored_is_read_again(size: int) -> None:
    content = content_of(size)

    file = store(io.BytesIO(content), "reviews.csv")

    file.refresh_from_db()
    assert (file.name, file.size) == ("reviews.csv", size)
    assert file.sha256 == hashlib.sha256(content).hexdigest()
    assert open_stored(file).read() == content
    assert b"".join(pieces(file)) == content
    held = [len(piece.content) for piece in file.pieces.order_by("number")]
    assert sum(held) == size
    assert all(length == PIECE_BYTES for length in held[:-1])


def test_it_does_not_matter_in_what_parts_a_file_is_written() -> None:
    content = content_of(2 * PIECE_BYTES + 7)
    rng, place = random.Random(1), 0
    with FileWriter("parts") as writer:
        while place < len(content):
            taken = writer.write(content[place : place + rng.randrange(1, PIECE_BYTES)])
            place += taken
            assert writer.tell() == place

    assert open_stored(writer.file).read() == content
    assert writer.file.sha256 == hashlib.sha256(content).hexdigest()


def test_any_place_of_a_file_can_be_read() -> None:
    content = content_of(3 * PIECE_BYTES + 99)
    stream = open_stored(store(io.BytesIO(content), "seek"))
    rng = random.Random(2)
    places = [rng.randrange(len(content)) for _ in range(50)]
    places += [PIECE_BYTES * n + d for n in (1, 2, 3) for d in (-1, 0, 1)]
    for place in places:
        assert stream.seek(place) == place
        length = rng.choice([1, 3, 70_000, PIECE_BYTES + 1])
        assert stream.read(length) == content[place : place + length]
    assert stream.seek(-5, io.SEEK_END) == len(content) - 5
    assert stream.read() == content[-5:]
    assert stream.read() == b""
    assert stream.seek(2 * len(content)) == 2 * len(content)
    assert stream.read(1) == b""


def test_a_long_name_keeps_its_ending() -> None:
    assert store(io.BytesIO(b"x"), "é" * 400 + ".xlsx").name.endswith("é.xlsx")


def test_an_error_leaves_nothing_behind() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > PIECE_BYTES:
                raise OSError("the client is gone")
            return super().read(size)

    with pytest.raises(OSError, match="gone"):
        store(Broken(content_of(3 * PIECE_BYTES)), "half")

    assert not StoredFile.objects.exists()
    assert not FilePiece.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("write", [1, 2, 3])
def test_a_database_that_comes_back_in_time_loses_nothing(
    write: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("classifier.jobs.database.PAUSE", 0.0)
    done = FilePiece.objects.bulk_create
    calls = 0

    def lost_answer(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        made = done(*arguments, **options)  # type: ignore[arg-type]
        if calls == write:
            raise OperationalError("server closed the connection unexpectedly")
        return made

    monkeypatch.setattr(FilePiece.objects, "bulk_create", lost_answer)
    content = content_of(2 * PIECE_BYTES + 5)

    file = store(io.BytesIO(content), "persistent")

    assert calls == 4  # three pieces, one of them twice
    assert open_stored(file).read() == content
    assert file.pieces.count() == 3


def test_a_database_that_stays_away_is_an_error_and_no_file_is_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise OperationalError("the disk is full")

    writer = FileWriter("never whole")
    writer.write(content_of(PIECE_BYTES + 1))
    monkeypatch.setattr(FilePiece.objects, "bulk_create", fail)

    with pytest.raises(OperationalError, match="full"), writer:
        pass

    assert not StoredFile.objects.exists()
    assert not FilePiece.objects.exists()


def test_a_deleted_file_says_so_while_it_is_read() -> None:
    file = store(io.BytesIO(content_of(3 * PIECE_BYTES)), "gone.csv")
    stream = open_stored(file)
    stream.read(10)

    delete_stored(StoredFile.objects.get(pk=file.pk))

    assert not FilePiece.objects.exists()
    with pytest.raises(FileNotFoundError, match=r"gone\.csv has been deleted"):
        stream.read()
    delete_stored(file)  # a second time it is no error
    delete_stored(None)


def test_a_file_is_deleted_some_pieces_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(files, "PIECES_DELETED_AT_ONCE", 2)
    kept = store(io.BytesIO(content_of(PIECE_BYTES)), "kept")
    file = store(io.BytesIO(content_of(5 * PIECE_BYTES)), "gone")

    delete_stored(file)

    assert list(StoredFile.objects.all()) == [kept]
    assert FilePiece.objects.count() == 1


def test_files_that_nothing_names_go_once_they_are_old() -> None:
    old = timezone.now() - timedelta(hours=25)
    named = store(io.BytesIO(b"a"), "named")
    unused = store(io.BytesIO(b"b"), "unused")
    result = store(io.BytesIO(b"c"), "result")
    young = store(io.BytesIO(b"d"), "young")
    half = FileWriter("half written")
    half.write(b"e" * (PIECE_BYTES + 1))
    StoredFile.objects.exclude(pk=young.pk).update(created_at=old)
    BulkJob.objects.create(filename="a.csv", upload=named, result=result, text_column="text")

    assert delete_unused(older_than=timedelta(days=1)) == 2

    left = set(StoredFile.objects.values_list("name", flat=True))
    assert left == {"named", "result", "young"}
    assert FilePiece.objects.count() == 3
    assert unused.name not in left
    half.discard()


def test_a_file_of_a_path_is_stored_a_piece_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"x" * (4 * PIECE_BYTES))
    reads: list[int] = []

    class Counting(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            reads.append(size or 0)
            return super().read(size) or b""

    with Counting(path) as stream:
        store(stream, "large")

    assert reads == [PIECE_BYTES] * 5
