"""The Hub: where models are pushed to, pulled from and looked for."""

from training.hub.connection import Hub, HubError, Patience
from training.hub.pull import Pulled, pull_model
from training.hub.push import Pushed, push_model
from training.hub.reach import require_on_hub
from training.hub.search import Found, search_hub

__all__ = [
    "Found",
    "Hub",
    "HubError",
    "Patience",
    "Pulled",
    "Pushed",
    "pull_model",
    "push_model",
    "require_on_hub",
    "search_hub",
]
