"""What metrics.json says of a model, in words and tables."""

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

COUNT, PERCENT, STARS, PLAIN = ("count", "percent", "stars", "plain")  # how a measure is written
SPLITS = ("validation", "test")
LEAST_ROWS = 100  # of a slice by length of which something is said


class Measure(NamedTuple):
    title: Promise
    meaning: Promise
    kind: str


class Row(NamedTuple):
    """Of the table of measures."""

    title: Promise
    meaning: Promise
    cells: list[str]
    """Of validation and test; empty where it was not measured."""


class ClassRow(NamedTuple):
    """Of the table of labels; the cells are precision, recall and F1 of the test rows."""

    label: str
    cells: list[str]


MEASURES = {
    "rows": Measure(
        gettext_lazy("Rows"), gettext_lazy("labelled texts that it was measured on"), COUNT
    ),
    "accuracy": Measure(
        gettext_lazy("Accuracy"),
        gettext_lazy("share of the texts whose label it gets right"),
        PERCENT,
    ),
    "majority_baseline": Measure(
        gettext_lazy("Baseline"),
        gettext_lazy("accuracy of always giving the commonest label"),
        PERCENT,
    ),
    "f1_macro": Measure(
        gettext_lazy("Macro F1"),
        gettext_lazy("precision and recall in one number, each label counting the same"),
        PERCENT,
    ),
    "roc_auc": Measure(
        gettext_lazy("ROC AUC"),
        gettext_lazy("how often it finds the right one of two texts more likely, 0.5 for guessing"),
        PLAIN,
    ),
    "average_precision": Measure(
        gettext_lazy("Average precision"),
        gettext_lazy("precision on average over all recalls"),
        PLAIN,
    ),
    "calibration_error": Measure(
        gettext_lazy("Calibration error"),
        gettext_lazy("how far its probabilities are from how often it is right, on average"),
        PERCENT,
    ),
    "rating_mae": Measure(
        gettext_lazy("Rating: error"),
        gettext_lazy("stars between its rating and the author's, on average"),
        STARS,
    ),
    "rating_exact": Measure(
        gettext_lazy("Rating: exact"),
        gettext_lazy("share of ratings that are the author's"),
        PERCENT,
    ),
    "rating_within_one": Measure(
        gettext_lazy("Rating: within one"),
        gettext_lazy("share of ratings at most one star away"),
        PERCENT,
    ),
    "rating_spearman": Measure(
        gettext_lazy("Rating: order"),
        gettext_lazy("rank correlation with the authors' stars, 1 for the same order"),
        PLAIN,
    ),
    "rating_coverage": Measure(
        gettext_lazy("Rating: interval"),
        gettext_lazy("share of the authors' stars that lie in its interval"),
        PERCENT,
    ),
    "rating_width": Measure(
        gettext_lazy("Rating: width"), gettext_lazy("ratings in the interval, on average"), STARS
    ),
}


def number(content: Any, *keys: str) -> float | None:
    """The finite number that lies under `keys`; None where there is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    if isinstance(content, bool) or not isinstance(content, int | float):
        return None
    return float(content) if math.isfinite(content) else None


def word(content: Any, *keys: str) -> str:
    """The text that lies under `keys`; empty where there is none."""
    for key in keys:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content if isinstance(content, str) else ""


def figure(value: float, decimals: int = 0) -> str:
    """A number as the reader's language writes it: 25,000 or 25 000."""
    rounded = Decimal(f"{value:.{decimals}f}")  # number_format cuts off what does not fit
    return number_format(rounded, decimals, use_l10n=True, force_grouping=True)


def percent(share: float, decimals: int = 1) -> str:
    """A share of 0..1 with a space that does not break before the sign."""
    return f"{figure(100 * share, decimals)}\N{NO-BREAK SPACE}%"


def measure_rows(facts: Mapping[str, Any]) -> list[Row]:
    """The measures of validation and test; empty where nothing was measured."""
    return [
        Row(measure.title, measure.meaning, cells)
        for name, measure in MEASURES.items()
        for cells in [[_cell(facts, split, name, measure.kind) for split in SPLITS]]
        if any(cells)
    ]


def class_rows(facts: Mapping[str, Any]) -> list[ClassRow]:
    """Precision, recall and F1 of each label on the test rows."""
    measures = facts.get("metrics")
    prefix = "test_recall_"
    labels = (
        sorted(str(key).removeprefix(prefix) for key in measures if str(key).startswith(prefix))
        if isinstance(measures, Mapping)
        else []
    )
    return [
        ClassRow(
            label,
            [
                _cell(facts, "test", f"{name}_{label}", PERCENT)
                for name in ("precision", "recall", "f1")
            ],
        )
        for label in labels
    ]


def strengths(facts: Mapping[str, Any]) -> list[str]:
    """How good it is, in sentences."""

    def test(name: str) -> float | None:
        return number(facts, "metrics", f"test_{name}")

    said = []
    if (accuracy := test("accuracy")) is not None and (rows := test("rows")):
        said.append(
            _("Of %(rows)s texts that it had never seen, it got %(share)s right.")
            % {"rows": figure(rows), "share": percent(accuracy)}
        )
        if (baseline := test("majority_baseline")) is not None:
            said.append(
                _("Always giving the commonest label would be right in %(share)s.")
                % {"share": percent(baseline)}
            )
    if (off := test("rating_mae")) is not None:
        said.append(
            _("Its rating is %(stars)s stars away from the author's on average.")
            % {"stars": figure(off, 2)}
        )
    if (near := test("rating_within_one")) is not None:
        said.append(
            _("In %(share)s it is the author's own or one star beside it.")
            % {"share": percent(near)}
        )
    return said


def weaknesses(facts: Mapping[str, Any]) -> list[str]:
    """What it is bad at, as far as that was measured."""
    said = [*_weakest_label(facts), *_weakest_length(facts), *_wide_of_interval(facts)]
    if (exact := number(facts, "metrics", "test_rating_exact")) is not None:
        said.append(
            _("Only %(share)s of its ratings are exactly the author's: take one as about so many.")
            % {"share": percent(exact)}
        )
    data = word(facts, "config", "data", "dataset")
    said.append(
        _(
            "It was measured on %(data)s alone. On texts of another kind or language, on irony and "
            "on reviews of a few words it may do worse, and nobody has counted how much."
        )
        % {"data": data}
        if data
        else _("On what it was trained and measured is not known: trust it little.")
    )
    return said


def _cell(facts: Mapping[str, Any], split: str, name: str, kind: str) -> str:
    value = number(facts, "metrics", f"{split}_{name}")
    if value is None:
        return ""
    match kind:
        case "count":
            return figure(value)
        case "percent":
            return percent(value)
        case "stars":
            return figure(value, 2)
    return figure(value, 3)


def _weakest_label(facts: Mapping[str, Any]) -> list[str]:
    found = {
        row.label: number(facts, "metrics", f"test_recall_{row.label}") for row in class_rows(facts)
    }
    known = {label: recall for label, recall in found.items() if recall is not None}
    if len(known) < 2:
        return []
    label = min(known, key=lambda each: known[each])
    return [
        _("It overlooks %(label)s most often: it finds %(share)s of them.")
        % {"label": label, "share": percent(known[label])}
    ]


def _weakest_length(facts: Mapping[str, Any]) -> list[str]:
    """Of texts by their length in tokens, where one kind is worse than all together."""
    pictures = facts.get("pictures")
    slices = pictures.get("lengths") if isinstance(pictures, Mapping) else None
    overall = number(facts, "metrics", "test_accuracy")
    try:
        known = [
            (float(accuracy), int(shortest), None if longest is None else int(longest))
            for shortest, longest, rows, accuracy in slices or []
            if int(rows) >= LEAST_ROWS
        ]
    except (TypeError, ValueError):
        return []  # it came with a model of others, and is no list of slices
    if overall is None or len(known) < 2:
        return []
    accuracy, shortest, longest = min(known, key=lambda each: each[0])
    if accuracy >= overall:
        return []
    if longest is None:
        return [
            _("It is weakest on texts of %(shortest)s tokens and more: %(share)s are right.")
            % {"shortest": shortest, "share": percent(accuracy)}
        ]
    return [
        _("It is weakest on texts of %(shortest)s to %(longest)s tokens: %(share)s are right.")
        % {"shortest": shortest, "longest": longest, "share": percent(accuracy)}
    ]


def _wide_of_interval(facts: Mapping[str, Any]) -> list[str]:
    asked = number(facts, "config", "calibration", "rating_interval")
    held = number(facts, "metrics", "test_rating_coverage")
    if asked is None or held is None or held >= asked:
        return []
    return [
        _("Its interval should hold the author's stars in %(asked)s, and does in %(held)s.")
        % {"asked": percent(asked), "held": percent(held)}
    ]
