"""Single files of a repository of the Hub, each with the size and the digest that it lists."""

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from training.hub.allowed import require_allowed
from training.hub.connection import HubError, Session, require_repo_id, require_revision
from training.hub.files import Digest
from training.hub.publication import Kind

COMMIT = re.compile(r"[0-9a-f]{40}")
ROOM = 1 << 28  # bytes that stay free


def repository_and_revision(source: str) -> tuple[str, str]:
    """The two parts of user/name@revision; the revision is empty where there is none.

    Raises:
        HubError: one of them cannot be, or HUB_ALLOWED does not admit them.
    """
    repo_id, at, revision = source.partition("@")
    require_repo_id(repo_id)
    if at:
        require_revision(revision)
    require_allowed(repo_id, revision)
    return repo_id, revision


def require_commit(source: str, commit: str) -> None:
    """
    Raises:
        HubError: what a revision resolves to is no commit.
    """
    if not COMMIT.fullmatch(commit):
        raise HubError(
            f"A revision must resolve to a commit of 40 digits, but {source} resolves to "
            f"{commit[:60]!r}. Check HF_ENDPOINT."
        )


def require_inside(repo_id: str, names: Iterable[str]) -> None:
    """
    Raises:
        HubError: a name leads out of the folder that files are fetched into.
    """
    for name in names:
        if (
            not name.isprintable()
            or name.startswith("/")
            or "\\" in name
            or ".." in name.split("/")
        ):
            raise HubError(
                f"A repository's files lie inside it, but {repo_id} names {name[:100]!r}. "
                "Do not use this repository."
            )


def require_digest(repo_id: str, name: str, digest: Digest) -> None:
    """
    Raises:
        HubError: the Hub does not say what the file must be.
    """
    if digest.size < 0 or not (digest.sha256 or digest.blob_id):
        raise HubError(
            f"The Hub must give size and digest of every file, but of {name} in {repo_id} it "
            "gives none. Check HF_ENDPOINT."
        )


def require_space(folder: Path, needed: int) -> None:
    """
    Raises:
        HubError: the disk has not so many bytes and some room.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + ROOM:
        raise HubError(
            f"What is fetched needs {needed:,} bytes and some room, but {folder} has {free:,} "
            "free. Make room, or set VAR_DIR to a larger disk."
        )


def fetch_file(
    session: Session,
    repo_id: str,
    commit: str,
    name: str,
    expected: Digest,
    folder: Path,
    *,
    kind: Kind = "model",
) -> Path:
    """Fetch one file into `folder`, under its own name, and verify it.

    Raises:
        HubError: not reached, refused, or another file came.
    """
    session.persist(
        lambda: session.api.hf_hub_download(
            repo_id, name, revision=commit, local_dir=folder, repo_type=kind
        )
    )
    path = folder / name
    if path.is_symlink() or not Digest.of_file(path).agrees(expected):
        raise HubError(
            f"{name} must have the size and the digest that the Hub lists for {repo_id}, but the "
            "file that it sent has others. Pull again; if that does not help, do not use it."
        )
    return path
