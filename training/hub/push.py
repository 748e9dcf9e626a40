"""A model directory to the Hub: its artefact's files alone."""

from fnmatch import fnmatchcase
from pathlib import Path

from classifier.artefact import open_artefact
from classifier.messages import message
from classifier.model_files import GRAPH_WEIGHTS
from training.hub.connection import Hub, HubError, require_repo_id
from training.hub.files import ARTEFACT_FILES
from training.hub.publication import Publication, Pushed, Remote, require_token, some


def push_model(
    model_dir: Path,
    repo_id: str,
    *,
    private: bool = True,
    replace: bool = False,
    hub: Hub | None = None,
) -> Pushed:
    """Push the artefact in `model_dir` in one commit and verify what the Hub then holds.

    Running it again, or after it was cut off, commits nothing twice.

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
    from huggingface_hub import ModelCard

    require_repo_id(repo_id)
    hub = hub or Hub.from_environment()
    require_token(hub, repo_id, f"the model stays in {model_dir}")
    files = artefact_files(model_dir)
    card = files["README.md"].read_text(encoding="utf-8")
    name = ModelCard(card, ignore_metadata_errors=True).data.get("model_name")

    def require_room(remote: Remote) -> None:
        if not replace:
            _require_same_model(repo_id, remote, name)

    return Publication(
        repo_id=repo_id,
        kind="model",
        files=files,
        message=f"Push {name or model_dir.name} from Reviewsite",
        private=private,
        require_room=require_room,
    ).push(hub)


def artefact_files(model_dir: Path) -> dict[str, Path]:
    """The files of `model_dir` that are pushed, by name.

    Raises:
        ModelNotReady: it holds no complete model.
        HubError: it has no card.
    """
    open_artefact(model_dir.resolve(), models_dir=model_dir.parent)
    if not (model_dir / "README.md").is_file():
        raise HubError(
            message(
                "A model is pushed with its card, but {model_dir} has no README.md. finetune "
                "writes it; for another model write one.",
                model_dir=model_dir,
            )
        )
    beside_graph = [
        path.relative_to(model_dir).as_posix() for path in model_dir.glob(GRAPH_WEIGHTS)
    ]
    names = (*ARTEFACT_FILES, *sorted(beside_graph))
    return {name: model_dir / name for name in names if (model_dir / name).is_file()}


def _require_same_model(repo_id: str, remote: Remote, name: str | None) -> None:
    if not remote.files:
        return
    remedy = "Choose another repository, or give --replace."
    others = remote.files.keys() - set(ARTEFACT_FILES)
    if foreign := sorted(name for name in others if not fnmatchcase(name, GRAPH_WEIGHTS)):
        raise HubError(
            message(
                "The repository must be empty or hold this model, but {repo_id} holds "
                "{some}. {remedy}",
                repo_id=repo_id,
                some=some(foreign),
                remedy=remedy,
            )
        )
    held = remote.card.get("model_name")
    if held is None or held != name:
        raise HubError(
            message(
                "The repository must be empty or hold this model, {found}, but {repo_id} "
                "holds {found2}. {remedy}",
                found=name or "unnamed",
                repo_id=repo_id,
                found2=held or "a model without a name",
                remedy=remedy,
            )
        )
