"""The manifest: sizes and SHA-256 sums, by which a checkpoint is known to be whole."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
# What reading a manifest raises where a kill, a disk or a hand has spoilt it.
UNREADABLE = (OSError, ValueError, KeyError, TypeError)


def seal(checkpoint: Path, *, best_step: int | None, processes: int) -> None:
    """Flush every file to the disk, then write the manifest that makes the checkpoint good."""
    files = {}
    for file in sorted(path for path in checkpoint.rglob("*") if path.is_file()):
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        name = file.relative_to(checkpoint).as_posix()
        files[name] = {"bytes": file.stat().st_size, "sha256": digest}
    with (checkpoint / MANIFEST).open("w", encoding="utf-8") as manifest:
        json.dump({"best_step": best_step, "processes": processes, "files": files}, manifest)
        manifest.flush()
        os.fsync(manifest.fileno())
    flush_directory(checkpoint)


def read_manifest(checkpoint: Path) -> dict[str, Any]:
    """`best_step`, `processes` and `files`, as they were sealed.

    Raises:
        one of UNREADABLE, as a missing key does in what was read.
    """
    content: dict[str, Any] = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
    return content


def own_fault(checkpoint: Path) -> str | None:
    """What of a checkpoint is not as it was sealed."""
    try:
        for name, facts in read_manifest(checkpoint)["files"].items():
            with (checkpoint / name).open("rb") as file:
                if os.fstat(file.fileno()).st_size != facts["bytes"]:
                    return f"{name} does not have its {facts['bytes']:,} bytes"
                if hashlib.file_digest(file, "sha256").hexdigest() != facts["sha256"]:
                    return f"{name} does not have its SHA-256"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except UNREADABLE as error:
        return f"{MANIFEST} cannot be read: {error}"
    return None


def flush_directory(directory: Path) -> None:
    """Make the names in `directory` outlive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
