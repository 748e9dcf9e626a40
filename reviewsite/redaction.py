"""What no log, report or spool may show: tokens, passwords and keys."""

import os
import re
from collections.abc import Iterator

SECRETS = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "SECRET_KEY",
    "METRICS_TOKEN",
    "LABEL_STUDIO_SECRET",
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
)
"""Variables of the environment that hold one."""
HUB_TOKEN = re.compile(r"\bhf_\w+")
_PASSWORD_IN_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:@/]*:)[^\s@/]+@", re.IGNORECASE)


def redacted(text: str) -> str:
    """`text` without Hub tokens, passwords in addresses, and the values of SECRETS."""
    for secret in secrets():
        if secret in text:
            text = text.replace(secret, "***")
    if "://" in text:
        text = _PASSWORD_IN_URL.sub(r"\1***@", text)
    return HUB_TOKEN.sub("hf_***", text) if "hf_" in text else text


def secrets() -> Iterator[str]:
    """The values of those of SECRETS that are set."""
    return (secret for name in SECRETS if (secret := os.environ.get(name)))
