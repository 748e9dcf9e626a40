"""The Trainer's log as it is kept with a run: finite numbers, and not too many."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

POINTS = 500
KEPT = ("step", "epoch", "loss", "learning_rate", "eval_loss", "eval_accuracy", "eval_f1_macro")
LOSSES = {"loss", "eval_loss"}

T = TypeVar("T")


def thinned(log_history: Iterable[Mapping[str, Any]], *, points: int = POINTS) -> list[dict]:
    """The entries with a loss, at most `points` of them; validations are the last to go.

    Args:
        log_history: `trainer.state.log_history`, in the order of the steps.
    """
    rows = [
        {key: row[key] for key in KEPT if key in row}
        for row in finite(list(log_history))
        if LOSSES & row.keys()
    ]
    validations = _evenly([row for row in rows if "eval_loss" in row], points // 2)
    others = _evenly([row for row in rows if "eval_loss" not in row], points - len(validations))
    return sorted(validations + others, key=lambda row: (row["step"], "eval_loss" in row))


def finite(content: Any) -> Any:
    """`content` without infinities and NaN, which JSON does not have: None is in their place."""
    if isinstance(content, dict):
        return {key: finite(value) for key, value in content.items()}
    if isinstance(content, list):
        return [finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def train_loss(log_history: Iterable[Mapping[str, float]]) -> float:
    """Mean loss of all steps; the Trainer's own forgets those before a resume."""
    total, last = 0.0, 0.0
    for logs in log_history:
        if "loss" in logs:
            total += logs["loss"] * (logs["step"] - last)
            last = logs["step"]
    return total / last


def without_timings(measured: Mapping[str, float]) -> dict[str, float]:
    """What the Trainer measured, less how long that took."""
    timings = ("_runtime", "_per_second", "_preparation_time")
    return {
        key: value
        for key, value in measured.items()
        if key != "epoch" and not key.endswith(timings)
    }


def _evenly(rows: Sequence[T], count: int) -> list[T]:
    """`count` of `rows`, as far apart as can be, the last always among them."""
    if len(rows) <= count:
        return list(rows)
    return [rows[(number + 1) * len(rows) // count - 1] for number in range(count)]
