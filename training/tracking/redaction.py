"""What must reach neither the spool nor MLflow: tokens and passwords."""

import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from reviewsite.redaction import redacted, secrets

__all__ = ["holds_secret", "redacted", "without_password"]

# A file may well speak of hf_something; only what has the length of a token keeps it back.
WHOLE_HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{20,}")
READABLE = {".csv", ".html", ".json", ".jsonl", ".md", ".toml", ".txt"}


def holds_secret(file: Path) -> bool:
    """Whether a file of text holds a Hub token or the value of such a variable."""
    if file.suffix not in READABLE:
        return False
    text = file.read_text(encoding="utf-8", errors="replace")
    return any(secret in text for secret in secrets()) or bool(WHOLE_HUB_TOKEN.search(text))


def without_password(uri: str) -> str:
    """`uri` without the user and the password that it may name."""
    parts = urlsplit(uri)
    if not parts.netloc:
        return uri  # urlunsplit would take slashes from sqlite:///FILE
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
