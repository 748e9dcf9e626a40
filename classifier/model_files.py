"""The files that a model's directory is made of, and the digest that tells models apart."""

import hashlib
import json
from pathlib import Path
from typing import Any

FILES = ("config.json", "model.safetensors", "tokenizer.json")
GRAPH = "onnx/model_int8.onnx"  # made from the files above by manage.py export_model
METRICS = "metrics.json"
ONNX_FACTS = "onnx"  # key in it: what came of the last export


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


def metrics_of(directory: Path) -> dict[str, Any]:
    """What metrics.json says; empty where there is none."""
    file = directory / METRICS
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}
