"""The parameters of a run of seconds, for processes that only ask for one: nothing heavy here."""

from typing import Any

# tiny_run's on a site that write_site has prepared: 45 steps with five checkpoints, untracked.
ON_SITE: dict[str, Any] = {
    "dataset": "sentences",
    "base_model": "tiny-base",
    "method": "full",
    "epochs": 1.5,
    "batch_size": 8,
    "learning_rate": 3e-3,
    "max_length": 16,
    "precision": "fp32",
    "evaluations_per_epoch": 3,
    "experiment": "",
}
