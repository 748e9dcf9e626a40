"""A data set to the Hub and from it: Parquet files in data/ beside a card, as `datasets` reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from training.hub.connection import Hub, HubError, require_repo_id
from training.hub.fetching import (
    fetch_file,
    repository_and_revision,
    require_commit,
    require_digest,
    require_inside,
    require_space,
)
from training.hub.files import digest_of_sibling
from training.hub.publication import Publication, Pushed, Remote, require_token, some

TAG = "reviewsite"  # in the card of what this site may replace
DATA = "data/*.parquet"
CARD = "README.md"


@dataclass(frozen=True)
class FetchedDataset:
    """The Parquet files of a data set, on this machine."""

    repo_id: str
    commit: str
    files: tuple[Path, ...]


def push_dataset(
    files: Mapping[str, Path],
    repo_id: str,
    *,
    private: bool = True,
    replace: bool = False,
    hub: Hub | None = None,
) -> Pushed:
    """Push a data set in one commit and verify what the Hub then holds.

    It takes the place of one that was pushed there before; pushed again as it is, it commits
    nothing.

    Args:
        files: by their names in the repository: README.md, whose tags have TAG, and DATA.
        repo_id: user/name; the repository is made where there is none.
        private: make it private; a public repository is then refused, too.
        replace: overwrite, and remove, whatever else the repository holds.
        hub: default: that of HF_ENDPOINT and HF_TOKEN.

    Raises:
        HubError: no token, not reached, refused, or the repository holds something else.
    """
    require_repo_id(repo_id)
    hub = hub or Hub.from_environment()
    require_token(hub, repo_id, "nothing has left this site")

    def require_room(remote: Remote) -> None:
        if not replace:
            _require_ours(repo_id, remote)

    return Publication(
        repo_id=repo_id,
        kind="dataset",
        files=files,
        message="Push verdicts from Reviewsite",
        private=private,
        require_room=require_room,
    ).push(hub)


def fetch_dataset(
    source: str, folder: Path, *, max_bytes: int, hub: Hub | None = None
) -> FetchedDataset:
    """Fetch the Parquet files of a data set into `folder`, each verified.

    Args:
        source: user/name or user/name@revision; the revision is a branch, a tag or a commit.
        max_bytes: largest file that is fetched.
        hub: default: that of HF_ENDPOINT and HF_TOKEN.

    Raises:
        HubError: not reached, refused, or the repository holds no such files.
    """
    repo_id, revision = repository_and_revision(source)
    hub = hub or Hub.from_environment()
    with hub.session() as session:
        info = session.persist(
            lambda: session.api.dataset_info(
                repo_id, revision=revision or None, files_metadata=True
            )
        )
        commit = str(info.sha)
        require_commit(source, commit)
        held = {sibling.rfilename: digest_of_sibling(sibling) for sibling in info.siblings or []}
        require_inside(repo_id, held)
        wanted = {name: held[name] for name in sorted(held) if fnmatchcase(name, DATA)}
        if not wanted:
            raise HubError(
                f"A data set of verdicts has files {DATA}, but {repo_id} holds "
                f"{some(sorted(held)) or 'none'}. Use a data set that push_verdicts has pushed; "
                "of another one fetch the files and use import_verdicts."
            )
        for name, digest in wanted.items():
            require_digest(repo_id, name, digest)
            if digest.size > max_bytes:
                raise HubError(
                    f"A file may have {max_bytes:,} bytes at most, but {name} in {repo_id} has "
                    f"{digest.size:,}. Have BULK_MAX_BYTES raised."
                )
        require_space(folder, sum(digest.size for digest in wanted.values()))
        files = [
            fetch_file(session, repo_id, commit, name, digest, folder, kind="dataset")
            for name, digest in wanted.items()
        ]
    return FetchedDataset(repo_id, commit, tuple(files))


def _require_ours(repo_id: str, remote: Remote) -> None:
    foreign = sorted(name for name in remote.files if name != CARD and not fnmatchcase(name, DATA))
    if foreign or (remote.files and TAG not in (remote.card.get("tags") or ())):
        held = some(foreign) if foreign else "a data set that did not come from Reviewsite"
        raise HubError(
            f"The repository must be empty or hold verdicts of Reviewsite, but {repo_id} holds "
            f"{held}. Choose another repository, or give --replace."
        )
