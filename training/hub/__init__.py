"""The Hub: where models and data sets are pushed to, pulled from and looked for."""

from training.hub.connection import Hub, HubError, Patience
from training.hub.dataset import FetchedDataset, fetch_dataset, push_dataset
from training.hub.publication import Pushed
from training.hub.pull import Pulled, pull_model
from training.hub.push import push_model
from training.hub.reach import require_on_hub
from training.hub.search import Found, search_hub

__all__ = [
    "FetchedDataset",
    "Found",
    "Hub",
    "HubError",
    "Patience",
    "Pulled",
    "Pushed",
    "fetch_dataset",
    "pull_model",
    "push_dataset",
    "push_model",
    "require_on_hub",
    "search_hub",
]
