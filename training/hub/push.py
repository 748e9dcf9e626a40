"""A model directory to the Hub: one atomic commit, of the artefact's files alone, verified."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifier.artefact import open_artefact
from training.hub.connection import Hub, HubError, Session, require_repo_id
from training.hub.files import ARTEFACT_FILES, HUB_FILES, Digest, digest_of_sibling

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete


@dataclass(frozen=True)
class Pushed:
    """Where a model is on the Hub."""

    repo_id: str
    commit: str
    url: str
    private: bool
    changed: bool
    """False where the repository held exactly this model before."""


@dataclass(frozen=True)
class _Remote:
    """What a repository holds."""

    commit: str | None
    private: bool
    model_name: str | None
    """As its card's model-index says."""
    files: dict[str, Digest]
    """Without those that the Hub makes itself."""

    def holds_exactly(self, files: dict[str, Digest]) -> bool:
        return self.files.keys() == files.keys() and all(
            self.files[name].agrees(digest) for name, digest in files.items()
        )


def push_model(
    model_dir: Path,
    repo_id: str,
    *,
    private: bool = True,
    replace: bool = False,
    hub: Hub | None = None,
) -> Pushed:
    """Push the artefact in `model_dir` in one commit and verify what the Hub then holds.

    Running it again, or after it was cut off, commits nothing twice: what the repository holds
    is looked at before every attempt.

    Args:
        model_dir: the artefact, with its card README.md.
        repo_id: user/name; the repository is made where there is none.
        private: make it private; a public repository is then refused, too.
        replace: overwrite, and remove, whatever else the repository holds.
        hub: default: that of HF_ENDPOINT and HF_TOKEN.

    Raises:
        ModelNotReady: `model_dir` holds no complete model.
        HubError: no token, not reached, refused, or the repository holds something else.
    """
    require_repo_id(repo_id)
    hub = hub or Hub.from_environment()
    if not hub.token:
        raise HubError(
            "Pushing needs a token of the Hub, but HF_TOKEN is not set. Set it to a token that may "
            f"write to {repo_id}; the model stays in {model_dir}."
        )
    files = artefact_files(model_dir)
    publication = _Publication(model_dir, repo_id, files, private=private, replace=replace)
    with hub.session() as session:
        remote = session.persist(lambda: publication.attempt(session))
        # By its commit, because another push may have followed.
        commit = remote.commit
        landed = session.persist(lambda: _look(session, repo_id, revision=commit))
    if landed is None or not landed.holds_exactly(files):
        raise HubError(
            f"{repo_id} must hold after the push what was pushed, but files differ from those in "
            f"{model_dir}. Push again."
        )
    return Pushed(
        repo_id=repo_id,
        commit=commit or "",
        url=f"{hub.shown}/{repo_id}",
        private=remote.private,
        changed=publication.committed,
    )


def artefact_files(model_dir: Path) -> dict[str, Digest]:
    """The files of `model_dir` that are pushed, by name.

    Raises:
        ModelNotReady: it holds no complete model.
        HubError: it has no card.
    """
    open_artefact(model_dir.resolve(), models_dir=model_dir.parent)
    if not (model_dir / "README.md").is_file():
        raise HubError(
            f"A model is pushed with its card, but {model_dir} has no README.md. finetune writes "
            "it; for another model write one."
        )
    return {
        name: Digest.of_file(model_dir / name)
        for name in ARTEFACT_FILES
        if (model_dir / name).is_file()
    }


class _Publication:
    """One push, as a step that can be repeated."""

    def __init__(
        self,
        model_dir: Path,
        repo_id: str,
        files: dict[str, Digest],
        *,
        private: bool,
        replace: bool,
    ) -> None:
        from huggingface_hub import ModelCard

        self.repo_id = repo_id
        self.committed = False
        self._model_dir = model_dir
        self._files = files
        self._private = private
        self._replace = replace
        card = (model_dir / "README.md").read_text(encoding="utf-8")
        self._model_name = ModelCard(card, ignore_metadata_errors=True).data.get("model_name")

    def attempt(self, session: Session) -> _Remote:
        """Look, and commit only what is not there; what the repository then holds."""
        remote = _look(session, self.repo_id)
        if remote is None:
            session.api.create_repo(self.repo_id, private=self._private)
            remote = _look(session, self.repo_id)
            if remote is None:
                raise HubError(
                    f"{self.repo_id} must be there once it is made, but the Hub does not know it. "
                    "Look at it in a browser, and push again."
                )
        self._require_visibility(remote)
        if remote.holds_exactly(self._files):
            return remote
        self._require_room(remote)
        # From here on an attempt whose answer is lost may have committed.
        self.committed = True
        commit = session.api.create_commit(
            self.repo_id,
            self._operations(remote),
            commit_message=f"Push {self._model_name or self._model_dir.name} from Reviewsite",
            # Whatever comes between our look and the commit makes the Hub answer 412.
            parent_commit=remote.commit,
        )
        return _Remote(commit.oid, remote.private, self._model_name, self._files)

    def _operations(self, remote: _Remote) -> "list[CommitOperationAdd | CommitOperationDelete]":
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        return [
            *(CommitOperationAdd(name, self._model_dir / name) for name in self._files),
            *(
                CommitOperationDelete(name)
                for name in sorted(remote.files)
                if name not in self._files
            ),
        ]

    def _require_visibility(self, remote: _Remote) -> None:
        if self._private and not remote.private:
            raise HubError(
                f"A private push needs a private repository, but {self.repo_id} is public. Make it "
                "private on the Hub, or give --public (finetune: --no-private)."
            )

    def _require_room(self, remote: _Remote) -> None:
        if self._replace or not remote.files:
            return
        remedy = "Choose another repository, or give --replace."
        if foreign := sorted(remote.files.keys() - set(ARTEFACT_FILES)):
            more = f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""
            raise HubError(
                f"The repository must be empty or hold this model, but {self.repo_id} holds "
                f"{', '.join(foreign[:5])}{more}. {remedy}"
            )
        if remote.model_name is None or remote.model_name != self._model_name:
            raise HubError(
                f"The repository must be empty or hold this model, {self._model_name or 'unnamed'},"
                f" but {self.repo_id} holds {remote.model_name or 'a model without a name'}. "
                + remedy
            )


def _look(session: Session, repo_id: str, *, revision: str | None = None) -> _Remote | None:
    """What the repository holds; None where there is no such repository."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = session.api.model_info(repo_id, revision=revision, files_metadata=True)
    except RepositoryNotFoundError as error:
        # huggingface_hub calls a 401, a token that is not accepted, by this name, too.
        if error.response.status_code == 404:
            return None
        raise
    card: Any = info.card_data
    return _Remote(
        commit=info.sha,
        # A Hub that does not say so is taken to be as the push wants it.
        private=info.private is not False,
        model_name=card.get("model_name") if card is not None else None,
        files={
            sibling.rfilename: digest_of_sibling(sibling)
            for sibling in info.siblings or []
            if sibling.rfilename not in HUB_FILES
        },
    )
