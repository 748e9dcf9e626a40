"""Whether one model is better than another, or whether it was luck: runs on the same test rows."""

from training.comparison.groups import Group, group_runs
from training.comparison.predictions import (
    PREDICTIONS,
    ComparisonError,
    load_run,
    save_predictions,
)
from training.comparison.table import Comparison, compare

__all__ = [
    "PREDICTIONS",
    "Comparison",
    "ComparisonError",
    "Group",
    "compare",
    "group_runs",
    "load_run",
    "save_predictions",
]
