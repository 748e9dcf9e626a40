"""The files that a model's directory is made of, and the digest that tells models apart."""

import hashlib
from pathlib import Path

FILES = ("config.json", "model.safetensors", "tokenizer.json")
GRAPH = "onnx/model_int8.onnx"  # made from the files above by manage.py export_model
METRICS = "metrics.json"


def revision_of(directory: Path) -> str:
    """Twelve hexadecimal digits that change whenever one of FILES does.

    Raises:
        OSError: one of them is not there or not readable.
    """
    digest = hashlib.sha256()
    for name in FILES:
        with (directory / name).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]
