"""What metrics.json says of a calibration, as people read it."""

from collections.abc import Mapping
from typing import Any

CALIBRATION = "calibration"  # key in metrics.json
NAMES = {
    "calibration_error": "expected calibration error",
    "log_loss": "log loss",
    "rating_mae": "rating: mean absolute error",
    "rating_exact": "rating: exactly right",
    "rating_within_one": "rating: within one",
    "rating_spearman": "rating: rank correlation with the stars",
    "rating_coverage": "rating: interval covers",
    "rating_width": "rating: ratings in the interval",
}
"""Of the measures that a calibration is to better, in the order in which tables show them."""
SPLITS = ("validation", "test")
HOW = {
    "stars": "the star head's distribution",
    "probability": "steps of P(positive), fitted to the stars",
    "confidence": "the model's confidence",
}
CROSSED = (
    "After: each validation row is measured with what was fitted on the other four fifths of them."
)


def calibration_sentences(facts: Mapping[str, Any]) -> list[str]:
    """What was fitted; the reason where nothing was."""
    if "temperature" not in facts:
        return [f"Nothing was fitted. {facts['reason']}"] if facts.get("reason") else []
    stars = f", {facts['rows_with_stars']:,} of them with stars" if facts["rows_with_stars"] else ""
    said = [
        f"Fitted on {facts['rows']:,} rows of {facts['dataset']} ({facts['split']}){stars}.",
        f"The logits were divided by {facts['temperature']:.3f}, in the weights themselves.",
    ]
    if facts.get("star_temperature"):
        said.append(f"Those of the star head were divided by {facts['star_temperature']:.3f}.")
    if facts.get("map"):
        said.append(f"Ratings are made of {HOW[facts['map']]}.")
        said.append(
            f'Windows of long texts are combined by the rule "{facts["window_rule"]}"; '
            f"{facts['long_rows']:,} texts were long."
        )
    return said


def calibration_tables(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Tables with `title`, `note`, `heads` and `rows` of cells; none where nothing was fitted."""
    if "temperature" not in facts:
        return []
    columns = [
        (f"{split}, {when}", facts[split][when])
        for split in SPLITS
        if split in facts
        for when in ("before", "after")
    ]
    measures = {
        "title": "Calibration",
        "note": " ".join([*calibration_sentences(facts), CROSSED]),
        "heads": ["measure", *(head for head, _ in columns)],
        "rows": [
            [title, *(_shown(values.get(name)) for _, values in columns)]
            for name, title in NAMES.items()
            if any(name in values for _, values in columns)
        ],
    }
    rules = {
        "title": "Rules of windows",
        "note": "On validation rows, each rule with a temperature of its own. The gain is how much "
        "less the log loss of long texts is than by the mean.",
        "heads": [
            *("rule", "log loss", "accuracy", "long: log loss", "long: accuracy"),
            *("long: gain", "its standard error"),
        ],
        "rows": [
            [rule, *(_shown(value) for value in measured.values())]
            for rule, measured in facts.get("rules", {}).items()
        ],
    }
    return [measures, rules]


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"
