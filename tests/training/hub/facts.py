"""What the tests of the Hub speak of: a repository, a run's facts, a client that waits little."""

from dataclasses import replace
from typing import Any

from training.hub import Patience

REPO = "someone/reviews"
FACTS: dict[str, Any] = {
    "metrics": {
        "validation_accuracy": 0.91,
        "test_accuracy": 0.9,
        "test_f1": 0.89,
        "test_majority_baseline": 0.5,
        "test_rows": 40,
    },
    "rows": {"train": 240, "validation": 40, "test": 40},
    "base_model": "sentence-transformers/all-MiniLM-L6-v2",
    "base_revision": "1110a243fdf4706b3f48f1d95db1a4f5529b4d41",
    "seconds": 3,
    "config": {
        "data": {"dataset": "/home/somebody/secret-folder/reviews.csv"},
        "model": {"max_length": 16},
    },
}
# No pause between attempts.
QUICK = Patience(contact_seconds=(5, 5), silence_seconds=5, sleep=lambda seconds: None)
# For requests that hang on purpose: found out in a moment, and asked again at leisure.
HASTY = replace(QUICK, contact_seconds=(0.2, 5), silence_seconds=0.2)
