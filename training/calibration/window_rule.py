"""How the windows of long texts are combined: the rule that is chosen on validation rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifier.windows import RULE, RULES, WindowLogits, combine
from training.calibration.temperature import fit_temperature, log_loss

LEAST_LONG = 30  # texts of more than one window; with fewer no difference can be told from chance


@dataclass(frozen=True)
class RuleMeasures:
    """One rule on validation rows, each with the temperature that fits the rule best."""

    log_loss: float
    """Of all texts, in nats."""
    accuracy: float
    """Of all texts, 0..1."""
    long_log_loss: float
    long_accuracy: float
    """Of the texts of more than one window."""
    gain: float
    """How much less the log loss of long texts is than by the rule "mean", in nats."""
    gain_error: float
    """The standard error of that, by the texts' differences."""


@dataclass(frozen=True)
class RuleChoice:
    rule: str
    long_rows: int
    measures: dict[str, RuleMeasures]
    """By rule; empty where too few texts are long."""


def choose_rule(windows: Sequence[WindowLogits], label_ids: NDArray[np.int64]) -> RuleChoice:
    """The rule with the least log loss of long texts, if it beats "mean" by its standard error.

    Each rule is measured with a temperature of its own: the mean of many windows is less sure than
    one of them, and what it is served with makes up for that.

    Args:
        windows: of each row.
        label_ids: shape (rows,).

    Raises:
        CalibrationError: all rows have one label.
    """
    long = np.asarray([len(one.tokens) > 1 for one in windows], dtype=bool)
    count = int(long.sum())
    if count < LEAST_LONG:
        return RuleChoice(RULE, count, {})
    losses, right = {}, {}
    for rule in RULES:
        logits, _ = combined(windows, rule)
        losses[rule] = log_loss(logits / fit_temperature(logits, label_ids), label_ids)
        right[rule] = logits.argmax(axis=1) == label_ids
    gains = {rule: (losses[RULE] - found)[long] for rule, found in losses.items()}
    measures = {
        rule: RuleMeasures(
            log_loss=float(found.mean()),
            accuracy=float(right[rule].mean()),
            long_log_loss=float(found[long].mean()),
            long_accuracy=float(right[rule][long].mean()),
            gain=float(gains[rule].mean()),
            gain_error=float(gains[rule].std(ddof=1) / np.sqrt(count)),
        )
        for rule, found in losses.items()
    }
    best = max(measures, key=lambda rule: measures[rule].gain)
    wins = measures[best].gain > measures[best].gain_error
    return RuleChoice(best if wins else RULE, count, measures)


def combined(
    windows: Sequence[WindowLogits], rule: str
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Logits of each text, shape (texts, labels), and of its stars, (texts, 10), or None."""
    said = [combine(one, rule) for one in windows]
    stars = [text.stars for text in said if text.stars is not None]
    return np.stack([text.logits for text in said]), np.stack(stars) if stars else None
