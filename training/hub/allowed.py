"""Which repositories of the Hub this site takes models and data from."""

import os
from fnmatch import fnmatchcase

from classifier.messages import message
from training.hub.connection import HubError


def require_allowed(repo_id: str, revision: str = "") -> None:
    """
    Raises:
        HubError: HUB_ALLOWED has entries, and none admits this repository at this revision.
    """
    entries = os.environ.get("HUB_ALLOWED", "").split(",")
    allowed = [entry.strip() for entry in entries if entry.strip()]
    if allowed and not any(_admits(entry, repo_id, revision) for entry in allowed):
        raise HubError(
            message(
                "Models and data come from the repositories of HUB_ALLOWED alone, {allowed}, but "
                "this is {source}. Take one of those, at the revision that it names there if it "
                "does, or have HUB_ALLOWED changed.",
                allowed=", ".join(allowed)[:300],
                source=f"{repo_id}@{revision}" if revision else repo_id,
            )
        )


def _admits(entry: str, repo_id: str, revision: str) -> bool:
    pattern, pinned, wanted = entry.partition("@")
    return fnmatchcase(repo_id, pattern) and (not pinned or revision == wanted)
