"""Files to a repository of the Hub: one atomic commit of what is not there, verified."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from training.hub.connection import Hub, HubError, Session, require_repo_id
from training.hub.files import HUB_FILES, Digest, digest_of_sibling

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

Kind = Literal["model", "dataset"]


@dataclass(frozen=True)
class Pushed:
    """Where something is on the Hub."""

    repo_id: str
    commit: str
    url: str
    private: bool
    changed: bool
    """False where the repository held exactly these files before."""


@dataclass(frozen=True)
class Remote:
    """What a repository holds."""

    commit: str | None
    private: bool
    card: Mapping[str, Any]
    """The front matter of its README.md."""
    files: Mapping[str, Digest]
    """Without those that the Hub makes itself."""

    def holds_exactly(self, files: Mapping[str, Digest]) -> bool:
        return self.files.keys() == files.keys() and all(
            self.files[name].agrees(digest) for name, digest in files.items()
        )


@dataclass(frozen=True)
class Publication:
    """What is pushed, and where to."""

    repo_id: str
    kind: Kind
    files: Mapping[str, Path]
    """By their names in the repository; nothing else is in it afterwards."""
    message: str
    """Of the commit."""
    private: bool
    """Make it private; a public repository is then refused, too."""
    require_room: Callable[[Remote], None]
    """Raises HubError where the repository holds what must not be replaced."""

    def push(self, hub: Hub) -> Pushed:
        """Push in one commit and verify what the Hub then holds.

        Running it again, or after it was cut off, commits nothing twice: what the repository
        holds is looked at before every attempt.

        Raises:
            HubError: not reached, refused, or the repository holds something else.
        """
        require_repo_id(self.repo_id)
        digests = {name: Digest.of_file(path) for name, path in self.files.items()}
        committed = False

        def attempt() -> Remote:
            nonlocal committed
            remote = self._ready(session)
            if remote.holds_exactly(digests):
                return remote
            self.require_room(remote)
            # From here on an attempt whose answer is lost may have committed.
            committed = True
            commit = session.api.create_commit(
                self.repo_id,
                self._operations(remote),
                repo_type=self.kind,
                commit_message=self.message,
                # Whatever comes between our look and the commit makes the Hub answer 412.
                parent_commit=remote.commit,
            )
            return Remote(commit.oid, remote.private, remote.card, digests)

        with hub.session() as session:
            remote = session.persist(attempt)
            # By its commit, because another push may have followed.
            commit = remote.commit
            landed = session.persist(lambda: self._look(session, revision=commit))
        if landed is None or not landed.holds_exactly(digests):
            raise HubError(
                f"{self.repo_id} must hold after the push what was pushed, but files differ from "
                "those here. Push again."
            )
        folder = "" if self.kind == "model" else f"{self.kind}s/"
        return Pushed(
            repo_id=self.repo_id,
            commit=commit or "",
            url=f"{hub.shown}/{folder}{self.repo_id}",
            private=remote.private,
            changed=committed,
        )

    def _ready(self, session: Session) -> Remote:
        """The repository, made where there is none.

        Raises:
            HubError: it is public and the push is private.
        """
        remote = self._look(session)
        if remote is None:
            session.api.create_repo(self.repo_id, private=self.private, repo_type=self.kind)
            remote = self._look(session)
            if remote is None:
                raise HubError(
                    f"{self.repo_id} must be there once it is made, but the Hub does not know it. "
                    "Look at it in a browser, and push again."
                )
        if self.private and not remote.private:
            raise HubError(
                f"A private push needs a private repository, but {self.repo_id} is public. Make it "
                "private on the Hub, or give --public (finetune: --no-private)."
            )
        return remote

    def _operations(self, remote: Remote) -> "list[CommitOperationAdd | CommitOperationDelete]":
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        return [
            *(CommitOperationAdd(name, path) for name, path in self.files.items()),
            *(
                CommitOperationDelete(name)
                for name in sorted(remote.files)
                if name not in self.files
            ),
        ]

    def _look(self, session: Session, *, revision: str | None = None) -> Remote | None:
        """What the repository holds; None where there is no such repository."""
        from huggingface_hub.errors import RepositoryNotFoundError

        try:
            info: Any = session.api.repo_info(
                self.repo_id, repo_type=self.kind, revision=revision, files_metadata=True
            )
        except RepositoryNotFoundError as error:
            # huggingface_hub calls a 401, a token that is not accepted, by this name, too.
            if error.response.status_code == 404:
                return None
            raise
        return Remote(
            commit=info.sha,
            # A Hub that does not say so is taken to be as the push wants it.
            private=info.private is not False,
            card=vars(info.card_data) if info.card_data is not None else {},
            files={
                sibling.rfilename: digest_of_sibling(sibling)
                for sibling in info.siblings or []
                if sibling.rfilename not in HUB_FILES
            },
        )


def require_token(hub: Hub, repo_id: str, stays: str) -> None:
    """Ask nothing without a token.

    Args:
        stays: what becomes of what is not pushed, for the message.

    Raises:
        HubError: there is none.
    """
    if not hub.token:
        raise HubError(
            "Pushing needs a token of the Hub, but HF_TOKEN is not set. Set it to a token that may "
            f"write to {repo_id}; {stays}."
        )


def some(names: list[str]) -> str:
    """Names for a message, the first five of them."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
