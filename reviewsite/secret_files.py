"""Secrets from files, as containers have them mounted: NAME_FILE says where that of NAME is.

They become variables of this process's environment, which is where all that wants one looks: the
settings, the Hub's client, MLflow's, and what keeps them out of logs. Neither the container's
definition nor the environment that the process was started with has them then.
"""

import os
from collections.abc import MutableMapping

from django.core.exceptions import ImproperlyConfigured

NAMES = (
    "SECRET_KEY",
    "DATABASE_URL",
    "REDIS_URL",
    "METRICS_TOKEN",
    "LABEL_STUDIO_SECRET",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)
"""Variables that may come from a file."""
LARGEST = 16 * 1024  # bytes


def read_secret_files(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set each of NAMES whose NAME_FILE is set to what that file holds.

    Raises:
        ImproperlyConfigured: a file cannot be read or holds no secret, or the variable itself is
            set to something else. No secret is in the message.
    """
    for name in NAMES:
        path = environment.get(f"{name}_FILE")
        if not path:
            continue
        secret = _content(name, path)
        if environment.get(name, secret) != secret:
            raise ImproperlyConfigured(
                f"A secret has one source, but both {name} and {name}_FILE are set, and differ. "
                f"Leave {name} out."
            )
        environment[name] = secret


def _content(name: str, path: str) -> str:
    """The file's one line, without the white space around it."""
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
        secret = content.decode("utf-8").strip()
    except OSError as error:
        found = f"it cannot be read: {error.strerror}"
    except UnicodeDecodeError:
        found = "it has other bytes"
    else:
        if secret and secret.isprintable() and len(content) <= LARGEST:
            return secret
        found = "it is empty" if not secret else "it has more than that"
    raise ImproperlyConfigured(
        f"{name}_FILE must name a file with the secret as its one line, in UTF-8, but of {path} is "
        f"to say: {found}. Mount the secret there, readable by this process."
    )
