"""The archive: a plain tar whose last member says what the others are.

Nothing is read whole: files go through in pieces. What is unpacked is believed once the manifest
has come and every digest is as it says.
"""

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, Self

MANIFEST = "manifest.json"
FORMAT = 1
PIECE = 1024 * 1024  # bytes
LARGEST_MANIFEST = 256 * 1024 * 1024  # bytes; of a million files
DAMAGED = "Fetch it again, or take another backup."


class BackupError(Exception):
    """What cannot be backed up or restored: rule, value and remedy."""


class ArchiveWriter:
    """An archive that is written from its start to its end."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._tar = tarfile.open(  # noqa: SIM115  `finish` closes it
            fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT
        )
        self._files: dict[str, dict[str, Any]] = {}

    @property
    def count(self) -> int:
        return len(self._files)

    def add(self, name: str, path: Path, *, mode: int = 0o644) -> None:
        """Append a file as it is now; what is written to its end meanwhile is left out.

        Raises:
            FileNotFoundError: it is gone; nothing was appended.
            BackupError: it has become shorter.
        """
        with path.open("rb") as source:
            found = os.fstat(source.fileno())
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = found.st_size, int(found.st_mtime), mode
            reader = _Digesting(source)
            try:
                self._tar.addfile(member, reader)
            except OSError as error:
                if reader.read_bytes < member.size and "end of data" in str(error):
                    raise BackupError(
                        f"A file that is backed up must not become shorter, but {path} did. "
                        "Start again when nothing writes to it."
                    ) from error
                raise
        self._files[name] = {"size": member.size, "sha256": reader.sha256}

    def finish(self, facts: Mapping[str, Any]) -> None:
        """Append the manifest and the end."""
        content = json.dumps({"format": FORMAT, **facts, "files": self._files}, indent=1).encode()
        member = tarfile.TarInfo(MANIFEST)
        member.size = len(content)
        self._tar.addfile(member, io.BytesIO(content))
        self._tar.close()


class _Digesting:
    """A stream that knows the digest of what was read of it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._digest = hashlib.sha256()
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(size)
        self._digest.update(content)
        self.read_bytes += len(content)
        return content

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


class Unpacked:
    """An archive's members in a folder, verified."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def of(cls, archive: Path, folder: Path, *, allowed: frozenset[str]) -> Self:
        """Unpack and verify.

        Args:
            folder: an empty one; what is in it after an error is nothing to trust.
            allowed: first parts of the names that members may have.

        Raises:
            BackupError: it is damaged, cut short, no backup, or names a path outside.
        """
        manifest: dict[str, Any] | None = None
        found: dict[str, dict[str, Any]] = {}
        try:
            with archive.open("rb") as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
                for member in tar:
                    if manifest is not None:
                        raise BackupError(f"The manifest ends an archive, but {member.name!r} "
                                          f"comes after it. {DAMAGED}")  # fmt: skip
                    source = _content(tar, member)
                    if member.name == MANIFEST:
                        manifest = _manifest(source, member.size)
                        continue
                    _require_name(member.name, allowed, found)
                    target = folder / member.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    found[member.name] = _write(source, target, member.mode)
        except (tarfile.TarError, EOFError) as error:
            raise BackupError(
                f"A backup is an archive that manage.py backup wrote, but {archive} is none or is "
                f"damaged: {error}. {DAMAGED}"
            ) from error
        if manifest is None:
            raise BackupError(
                f"A backup ends with its manifest, but {archive} has none: it is cut short, or "
                f"something else. {DAMAGED}"
            )
        _require_same(found, manifest["files"])
        return cls(folder, manifest)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    source = tar.extractfile(member) if member.isreg() and not member.issparse() else None
    if source is None:
        raise BackupError(
            f"A backup has files alone, but {member.name!r} is a link, a folder or a device. "
            f"{DAMAGED}"
        )
    return source


def _require_name(name: str, allowed: frozenset[str], found: Mapping[str, Any]) -> None:
    path = PurePosixPath(name)
    plain = "\\" not in name and "\0" not in name and str(path) == name and ".." not in path.parts
    if path.is_absolute() or not plain or path.parts[0] not in allowed:
        raise BackupError(
            f"A backup's files are {', '.join(sorted(allowed))} and what is in those folders, but "
            f"one is called {name!r}. Do not use this archive: somebody has made it up."
        )
    if name in found:
        raise BackupError(f"Each file is once in a backup, but {name!r} is there twice. {DAMAGED}")


def _manifest(source: IO[bytes], size: int) -> dict[str, Any]:
    if size > LARGEST_MANIFEST:
        raise BackupError(f"The manifest is too large ({size:,} bytes). {DAMAGED}")
    try:
        manifest = json.loads(source.read())
        known = manifest["format"] == FORMAT
        if not isinstance(manifest["files"], dict):
            raise TypeError("files")
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"The manifest cannot be read: {error!r}. {DAMAGED}") from error
    if not known:
        raise BackupError(
            f"This version reads backups of format {FORMAT}, but this one has "
            f"{manifest['format']!r}. Restore it with the version that made it."
        )
    return dict(manifest)


def _write(source: IO[bytes], target: Path, mode: int) -> dict[str, Any]:
    digest, size = hashlib.sha256(), 0
    # Nothing is followed or overwritten: whatever is there came from this archive.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(os.open(target, flags, mode & 0o644), "wb") as out:
        while content := source.read(PIECE):
            digest.update(content)
            size += len(content)
            out.write(content)
        out.flush()
        os.fsync(out.fileno())
    return {"size": size, "sha256": digest.hexdigest()}


def _require_same(found: Mapping[str, Any], told: Mapping[str, Any]) -> None:
    for name in sorted({*found, *told}):
        if found.get(name) != told.get(name):
            raise BackupError(
                f"Every file of a backup is as its manifest says, but {name} is not. {DAMAGED}"
            )


@contextmanager
def written_whole(file: Path) -> Iterator[IO[bytes]]:
    """A stream to a file that is there once it is whole and on the disk, readable by its owner.

    Raises:
        BackupError: there is a file of that name.
    """
    if file.exists():
        raise BackupError(f"A backup overwrites nothing, but {file} is there. Give another name.")
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        draft.rename(file)
        sync_folder(file.parent)
    finally:
        draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Let the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def require_room(folder: Path, size: int) -> None:
    """
    Raises:
        BackupError: the disk of `folder` has no room for `size` bytes.
    """
    free = shutil.disk_usage(folder).free
    if free < size:
        raise BackupError(
            f"{folder} must have room for {size:,} bytes, but {free:,} are free. Make room."
        )
