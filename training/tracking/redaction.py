"""What must reach neither the spool nor MLflow: tokens and passwords."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

SECRETS = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)
HUB_TOKEN = re.compile(r"\bhf_\w+")
# A file may well speak of hf_something; only what has the length of a token keeps it back.
WHOLE_HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
READABLE = {".csv", ".html", ".json", ".jsonl", ".md", ".toml", ".txt"}


def redacted(text: str) -> str:
    """`text` without Hub tokens and the values of the variables that hold secrets."""
    for secret in _secrets():
        text = text.replace(secret, "***")
    return HUB_TOKEN.sub("hf_***", text)


def holds_secret(file: Path) -> bool:
    """Whether a file of text holds a Hub token or the value of such a variable."""
    if file.suffix not in READABLE:
        return False
    text = file.read_text(encoding="utf-8", errors="replace")
    return any(secret in text for secret in _secrets()) or bool(WHOLE_HUB_TOKEN.search(text))


def without_password(uri: str) -> str:
    """`uri` without the user and the password that it may name."""
    parts = urlsplit(uri)
    if not parts.netloc:
        return uri  # urlunsplit would take slashes from sqlite:///FILE
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _secrets() -> Iterator[str]:
    return (secret for name in SECRETS if (secret := os.environ.get(name)))
