"""The files that a model's directory is made of, and the digest that tells models apart."""

import hashlib
import json
from pathlib import Path
from typing import Any, NamedTuple

FILES = ("config.json", "model.safetensors", "tokenizer.json")
STAR_HEAD = "star_head.safetensors"  # beside the weights: ten more outputs, one a rating
RATING = "rating.json"  # how ratings are made of the outputs
OPTIONAL_FILES = (STAR_HEAD, RATING)  # they change answers, where a model has them
GRAPH = "onnx/model_int8.onnx"  # made from the files above by manage.py export_model
GRAPH_WEIGHTS = "onnx/model_int8.*.data"  # its large tensors, named by their digest
METRICS = "metrics.json"
ONNX_FACTS = "onnx"  # key in it: what came of the last export
PICTURES = "pictures"  # key in it: the points of the curves that the model page draws


class Revisions(NamedTuple):
    """Twelve hexadecimal digits each."""

    weights: str
    """Changes with all that a graph is made of: FILES, and STAR_HEAD where there is one."""
    model: str
    """Changes with all that an answer depends on: these, and RATING where there is one."""


def revisions_of(directory: Path) -> Revisions:
    """Digests of a model's files, which are read once.

    Raises:
        OSError: one of FILES is not there, or a file is not readable.
    """
    digest = hashlib.sha256()
    weights = ""
    for name in (*FILES, *OPTIONAL_FILES):
        if name == RATING:
            weights = digest.hexdigest()[:12]
        if name in FILES or (directory / name).is_file():
            with (directory / name).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return Revisions(weights, digest.hexdigest()[:12])


def revision_of(directory: Path) -> str:
    """Twelve hexadecimal digits that change whenever one of FILES or OPTIONAL_FILES does.

    Raises:
        OSError: as revisions_of.
    """
    return revisions_of(directory).model


def metrics_of(directory: Path) -> dict[str, Any]:
    """What metrics.json says; empty where there is none."""
    file = directory / METRICS
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
