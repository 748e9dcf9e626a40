"""Whether the Hub has what a library is about to fetch from it, asked first and briefly.

transformers and datasets ask a Hub that is blocked again and again, for minutes.
"""

import re
from typing import Literal

from training.hub.connection import Hub

_ID = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[\w.-]+)?", re.ASCII)  # of old, ids had no user/


def require_on_hub(repo_id: str, kind: Literal["model", "dataset"], *, revision: str = "") -> None:
    """Ask for a repository; nothing is asked of a name that cannot be one, or where
    HF_HUB_OFFLINE says to take it from the cache.

    Raises:
        HubError: the Hub is out of reach, or has no such repository for us.
    """
    from huggingface_hub import constants

    if constants.is_offline_mode() or not _ID.fullmatch(repo_id):
        return
    with Hub.from_environment().session() as session:
        session.persist(
            lambda: session.api.repo_info(repo_id, repo_type=kind, revision=revision or None)
        )
