"""The files of an artefact that travel to and from the Hub, and their digests."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from classifier.model_files import GRAPH, OPTIONAL_FILES

WEIGHTS = "model.safetensors"
# Nothing else is fetched: no checkpoint, no pickle, no code, and no graph, which is made anew from
# the weights that were fetched and verified on the machine that serves it.
FETCHED_FILES = (
    "config.json",
    WEIGHTS,
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "README.md",
    "metrics.json",
    *OPTIONAL_FILES,
)
ARTEFACT_FILES = (*FETCHED_FILES, GRAPH)  # with GRAPH_WEIGHTS; nothing else is pushed
# Every repository has it: the Hub makes it.
HUB_FILES = {".gitattributes"}


@dataclass(frozen=True)
class Digest:
    """What the Hub knows a file by: SHA-256 where it is large (LFS), else git's id of the blob."""

    size: int
    """Bytes."""
    sha256: str = ""
    blob_id: str = ""
    """SHA-1 of "blob <size>", NUL and the content, as git has it."""

    @classmethod
    def of_file(cls, path: Path) -> "Digest":
        size = path.stat().st_size
        sha256 = hashlib.sha256()
        blob = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                sha256.update(chunk)
                blob.update(chunk)
        return cls(size=size, sha256=sha256.hexdigest(), blob_id=blob.hexdigest())

    def agrees(self, other: "Digest") -> bool:
        """Whether size and the digest that both have are equal; False where they share none."""
        if self.size != other.size:
            return False
        if self.sha256 and other.sha256:
            return self.sha256 == other.sha256
        return bool(self.blob_id and self.blob_id == other.blob_id)


def digest_of_sibling(sibling: object) -> Digest:
    """The digest in a `siblings` entry of model_info(files_metadata=True)."""
    lfs = getattr(sibling, "lfs", None)
    size = getattr(sibling, "size", None)
    if lfs is not None:
        # The blob of an LFS file is its pointer, so blob_id is no digest of the content.
        return Digest(size=int(lfs.size), sha256=str(lfs.sha256).lower())
    return Digest(
        size=-1 if size is None else int(size),
        blob_id=str(getattr(sibling, "blob_id", None) or "").lower(),
    )
