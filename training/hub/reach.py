"""Whether the Hub has what a library is about to fetch from it, asked first and briefly.

transformers and datasets ask a Hub that is blocked again and again, for minutes.
"""

import re
from pathlib import Path
from typing import Literal

from training.hub.allowed import require_allowed
from training.hub.connection import Hub

_ID = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+)?", re.ASCII)  # of old, ids had no user/


def require_on_hub(name: str, kind: Literal["model", "dataset"], *, revision: str = "") -> None:
    """Ask for the repository `name`; nothing is asked where it is a directory or cannot be an id,
    or where HF_HUB_OFFLINE says to take it from the cache.

    Raises:
        HubError: HUB_ALLOWED does not admit it, the Hub is out of reach, or has no such
            repository for us.
    """
    from huggingface_hub import constants

    if Path(name).is_dir() or not _ID.fullmatch(name):
        return
    require_allowed(name, revision)
    if constants.is_offline_mode():
        return
    with Hub.from_environment().session() as session:
        session.persist(
            lambda: session.api.repo_info(name, repo_type=kind, revision=revision or None)
        )
