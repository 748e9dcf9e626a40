"""What an archive refuses: each of these was made from a good one."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from reviewsite.backup.archive import MANIFEST, ArchiveWriter, BackupError, Unpacked, written_whole

ALLOWED = frozenset({"models", "database.sqlite3"})
Member = tuple[tarfile.TarInfo, bytes]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.write_bytes(b"some rows" * 1000)
    file = tmp_path / "site.tar"
    with written_whole(file) as stream:
        writer = ArchiveWriter(stream)
        writer.add("database.sqlite3", source)
        writer.add("models/a/config.json", source)
        writer.finish({"vendor": "sqlite", "migrations": []})
    return file


def changed(archive: Path, change: Callable[[list[Member]], list[Member]]) -> Path:
    """The archive with other members."""
    with tarfile.open(archive) as tar:
        members = [(each, (file and file.read()) or b"")
                   for each in tar for file in [tar.extractfile(each)]]  # fmt: skip
    archive.unlink()
    with tarfile.open(archive, "w") as tar:
        for info, content in change(members):
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content))
    return archive


def named(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def unpacked(archive: Path, tmp_path: Path) -> Unpacked:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    return Unpacked.of(archive, folder, allowed=ALLOWED)


def test_what_was_packed_is_unpacked(archive: Path, tmp_path: Path) -> None:
    found = unpacked(archive, tmp_path)

    assert found.manifest["vendor"] == "sqlite"
    assert set(found.manifest["files"]) == {"database.sqlite3", "models/a/config.json"}
    assert (found.folder / "models/a/config.json").read_bytes() == b"some rows" * 1000
    assert archive.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.6, 0.9])
def test_an_archive_that_is_cut_short_is_refused(
    kept: float, archive: Path, tmp_path: Path
) -> None:
    content = archive.read_bytes()
    archive.write_bytes(content[: int(18_000 * kept)])

    with pytest.raises(BackupError, match=r"cut short|damaged"):
        unpacked(archive, tmp_path)


def test_one_changed_byte_is_found(archive: Path, tmp_path: Path) -> None:
    content = bytearray(archive.read_bytes())
    content[content.index(b"some rows") + 5000] ^= 1
    archive.write_bytes(content)

    with pytest.raises(BackupError, match=r"database\.sqlite3 is not"):
        unpacked(archive, tmp_path)


@pytest.mark.parametrize(
    "bad",
    [
        named("../outside"),
        named("models/../../outside"),
        named("/tmp/outside"),
        named("secrets/x"),
        named("models//x"),
        named("models/./x"),
        named("models\\x"),
    ],
    ids=lambda info: info.name,
)
def test_a_path_that_leads_elsewhere_is_refused(
    bad: tarfile.TarInfo, archive: Path, tmp_path: Path
) -> None:
    changed(archive, lambda members: [(bad, b"x"), *members])

    with pytest.raises(BackupError, match="made it up"):
        unpacked(archive, tmp_path)
    assert not list(tmp_path.rglob("outside"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE,
                                  tarfile.FIFOTYPE, tarfile.CHRTYPE])  # fmt: skip
def test_what_is_no_file_is_refused(kind: bytes, archive: Path, tmp_path: Path) -> None:
    link = named("models/link", kind, "/etc/passwd")
    changed(archive, lambda members: [(link, b""), *members])

    with pytest.raises(BackupError, match="files alone"):
        unpacked(archive, tmp_path)


def test_a_file_that_is_there_twice_too_many_or_missing_is_refused(
    archive: Path, tmp_path: Path
) -> None:
    more = changed(archive, lambda members: [(named("models/more"), b"x"), *members])
    with pytest.raises(BackupError, match="models/more is not"):
        unpacked(more, tmp_path)

    twice = changed(archive, lambda members: [members[1], *members[1:]])
    with pytest.raises(BackupError, match="twice"):
        Unpacked.of(twice, tmp_path / "two", allowed=ALLOWED)

    fewer = changed(archive, lambda members: members[-1:])
    with pytest.raises(BackupError, match="is not"):
        Unpacked.of(fewer, tmp_path / "three", allowed=ALLOWED)


def test_what_comes_after_the_manifest_is_refused(archive: Path, tmp_path: Path) -> None:
    changed(archive, lambda members: [*members, (named("models/late"), b"x")])

    with pytest.raises(BackupError, match="comes after it"):
        unpacked(archive, tmp_path)


@pytest.mark.parametrize(
    "content", [b"no json", b"[]", b"{}", json.dumps({"format": 2, "files": {}}).encode()]
)
def test_a_manifest_that_is_none_or_of_another_format_is_refused(
    content: bytes, archive: Path, tmp_path: Path
) -> None:
    changed(archive, lambda members: [*members[:-1], (named(MANIFEST), content)])

    with pytest.raises(BackupError, match=r"manifest cannot be read|format 1"):
        unpacked(archive, tmp_path)


def test_nothing_is_overwritten_and_a_failure_leaves_nothing(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="overwrites nothing"), written_whole(archive):
        pass
    with pytest.raises(ValueError, match="broken"), written_whole(tmp_path / "new.tar"):
        raise ValueError("broken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["site.tar", "source"]


def test_a_file_that_becomes_shorter_is_told(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"x" * 10_000_000)

    class Shortening(io.BytesIO):
        """Cuts the file while it is copied."""

        def write(self, content: object) -> int:
            with file.open("r+b") as cut:
                cut.truncate(100)
            return super().write(content)  # type: ignore[arg-type]

    with pytest.raises(BackupError, match="must not become shorter"):
        ArchiveWriter(Shortening()).add("models/log", file)
