"""A model of the Hub into the models folder: fetched once, safetensors only, verified."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier import rating_file
from classifier.artefact import (
    MAX_TOKENIZER_BYTES,
    open_artefact,
    require_no_code,
    require_tame_tokenizer,
)
from classifier.model_files import RATING
from training.hub.configuration import keep_known
from training.hub.connection import Hub, HubError, Session
from training.hub.fetching import (
    COMMIT,
    fetch_file,
    repository_and_revision,
    require_commit,
    require_digest,
    require_inside,
    require_space,
)
from training.hub.files import FETCHED_FILES, WEIGHTS, Digest, digest_of_sibling

REVISION_DIGITS = 12  # of the commit, in the directory's name
MAX_BYTES = {"config.json": 1 << 20, "README.md": 4 << 20, RATING: rating_file.MAX_BYTES}
MAX_OTHER_BYTES = MAX_TOKENIZER_BYTES  # no other is larger
# Any of them tells transformers the words; without one it would make a tokenizer of none.
VOCABULARIES = {
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
}
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt", ".h5", ".msgpack", ".joblib")
# In the order of asking: what is small and may be refused comes before the weights.
_ORDER = sorted(FETCHED_FILES, key=lambda name: (name == WEIGHTS, name != "config.json"))


@dataclass(frozen=True)
class Pulled:
    """A model of the Hub on this machine."""

    directory: Path
    repo_id: str
    commit: str
    fetched: bool
    """False where it was here before."""

    @property
    def name(self) -> str:
        """What CLASSIFIER_MODEL and --base-model call it."""
        return self.directory.name


def pull_model(source: str, *, models_dir: Path, hub: Hub | None = None) -> Pulled:
    """Fetch a text classifier into `models_dir`, once; the directory appears whole or not at all.

    Args:
        source: user/name or user/name@revision; the revision is a branch, a tag or a commit.
        models_dir: the model's directory in it is called user--name-commit (12 digits).
        hub: default: that of HF_ENDPOINT and HF_TOKEN.

    Raises:
        HubError: not reached, refused, or the repository holds what is not loaded here.
        ModelNotReady: what was fetched is no text classifier, or asks for code to be run.
    """
    repo_id, revision = repository_and_revision(source)
    hub = hub or Hub.from_environment()
    if COMMIT.fullmatch(revision):
        directory = _directory(models_dir, repo_id, revision)
        if directory.is_dir():
            return _opened(directory, repo_id, revision, models_dir, fetched=False)
    with hub.session() as session:
        info = session.persist(
            lambda: session.api.model_info(repo_id, revision=revision or None, files_metadata=True)
        )
        commit = str(info.sha)
        require_commit(source, commit)
        directory = _directory(models_dir, repo_id, commit)
        fetched = not directory.is_dir()
        if fetched:
            files = {
                sibling.rfilename: digest_of_sibling(sibling) for sibling in info.siblings or []
            }
            _fetch(session, repo_id, commit, _wanted(repo_id, files), directory)
    return _opened(directory, repo_id, commit, models_dir, fetched=fetched)


def _directory(models_dir: Path, repo_id: str, commit: str) -> Path:
    return models_dir / f"{repo_id.replace('/', '--')}-{commit[:REVISION_DIGITS]}"


def _opened(
    directory: Path, repo_id: str, commit: str, models_dir: Path, *, fetched: bool
) -> Pulled:
    open_artefact(directory.name, models_dir=models_dir)
    return Pulled(directory=directory, repo_id=repo_id, commit=commit, fetched=fetched)


def _wanted(repo_id: str, files: dict[str, Digest]) -> dict[str, Digest]:
    """The files to fetch.

    Raises:
        HubError: names that lead out of the folder, no safetensors, no digest, or too large.
    """
    require_inside(repo_id, files)
    if WEIGHTS not in files:
        raise HubError(_no_weights(repo_id, files))
    if not VOCABULARIES & files.keys():
        raise HubError(
            f"A text classifier needs one of {', '.join(sorted(VOCABULARIES))}, but {repo_id} has "
            "none. Use another repository."
        )
    wanted = {name: files[name] for name in _ORDER if name in files}
    for name, digest in wanted.items():
        limit = MAX_BYTES.get(name, MAX_OTHER_BYTES)
        if name != WEIGHTS and digest.size > limit:
            raise HubError(
                f"{name} may have {limit:,} bytes, but in {repo_id} it has {digest.size:,}. Use "
                "another repository."
            )
        require_digest(repo_id, name, digest)
    return wanted


def _no_weights(repo_id: str, files: dict[str, Digest]) -> str:
    rule = f"Weights are loaded from one {WEIGHTS} only, but {repo_id} holds"
    shards = sorted(name for name in files if name.endswith(".safetensors"))
    pickles = sorted(name for name in files if name.endswith(PICKLES))
    if shards:
        return (
            f"{rule} {', '.join(shards[:3])}. Load it with transformers, save it with "
            "save_pretrained(..., max_shard_size='100GB'), and copy that to the models folder."
        )
    if pickles:
        return (
            f"{rule} {', '.join(pickles[:3])}, which can run code when it is loaded. Ask its "
            "authors for safetensors, or use another repository."
        )
    return f"{rule} none. Use a repository of a text classifier."


def _fetch(
    session: Session, repo_id: str, commit: str, wanted: dict[str, Digest], directory: Path
) -> None:
    """Fill a draft, verify it, and rename it to `directory`."""
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    directory.parent.mkdir(parents=True, exist_ok=True)
    require_space(directory.parent, sum(digest.size for digest in wanted.values()))
    draft = directory.with_name(f".{directory.name}.draft")
    # Two that pull the same model at once would write into one another's draft.
    with WeakFileLock(directory.with_name(f".{directory.name}.lock")):
        if directory.is_dir():
            return
        try:
            for name, digest in wanted.items():
                fetch_file(session, repo_id, commit, name, digest, draft)
                if name == "config.json":
                    require_no_code(draft, directory.name)
            shutil.rmtree(draft / ".cache", ignore_errors=True)
            require_no_code(draft, directory.name)
            keep_known(draft)
            _require_tokenizer(draft)
            require_tame_tokenizer(draft, directory.name)
            open_artefact(draft.resolve(), models_dir=directory.parent)
            _write_source(draft, session.hub, repo_id, commit, wanted)
            os.replace(draft, directory)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _require_tokenizer(draft: Path) -> None:
    """Write tokenizer.json where the repository has the vocabulary alone, as older ones do."""
    if (draft / "tokenizer.json").is_file():
        return
    from transformers import AutoTokenizer

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(draft, trust_remote_code=False)
        tokenizer.backend_tokenizer.save(str(draft / "tokenizer.json"))
    except (OSError, ValueError, AttributeError, ImportError, KeyError, TypeError) as error:
        raise HubError(
            "tokenizer.json must be there, or a vocabulary to make it of, but: "
            f"{str(error).splitlines()[0][:200] if str(error) else type(error).__name__}. "
            "Use another repository."
        ) from error


def _write_source(
    draft: Path, hub: Hub, repo_id: str, commit: str, files: dict[str, Digest]
) -> None:
    source = {
        "repo_id": repo_id,
        "revision": commit,
        "endpoint": hub.shown,
        "sha256": {name: Digest.of_file(draft / name).sha256 for name in files},
    }
    (draft / "source.json").write_text(json.dumps(source, indent=2) + "\n", encoding="utf-8")
