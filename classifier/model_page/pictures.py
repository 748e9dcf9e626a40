"""ROC, precision and recall, reliability and confusion as places in pictures; templates draw them.

They are made of `pictures` in metrics.json, which training.evaluation.curve_points writes. A
model that came from elsewhere may have anything there: what is no picture is left out.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from classifier.model_files import PICTURES
from classifier.model_page.measures import class_rows, figure, number, percent

logger = logging.getLogger(__name__)

SIDE = 240  # of the square in which a curve is drawn, in its own units
MOST_LINES = 7
MOST_POINTS = 500
MOST_LABELS = 24
SHADES = 10
EXACT = 1e-6
SMALLEST, LARGEST = 2.5, 8.0  # radius of a point of the reliability


@dataclass(frozen=True)
class Line:
    name: str
    path: str
    """Of an SVG polyline."""


@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    radius: float
    label: str


@dataclass(frozen=True)
class Plot:
    """A square of SIDE whose both axes go from 0 to 1, (0, 0) below left."""

    key: str
    title: str
    x_name: str
    y_name: str
    summary: str
    """What the picture shows, for those who do not see it."""
    lines: tuple[Line, ...] = ()
    dots: tuple[Dot, ...] = ()
    guess: str = ""
    """Polyline of what guessing, or perfect calibration, would be."""
    guess_name: str = ""
    side: int = SIDE


@dataclass(frozen=True)
class Cell:
    rows: int
    written: str
    shade: int
    """0..SHADES, by the share of the true label's rows."""
    right: bool


@dataclass(frozen=True)
class Confusion:
    labels: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    """Of each true label the counts by the label given."""


@dataclass(frozen=True)
class Pictures:
    plots: tuple[Plot, ...]
    confusion: Confusion | None


def pictures_of(facts: Mapping[str, Any]) -> Pictures | None:
    """What can be drawn of a model's metrics.json; None where that is nothing."""
    content = facts.get(PICTURES)
    if not isinstance(content, Mapping):
        confusion = _counted(facts)
        return Pictures((), confusion) if confusion else None
    plots = []
    confusion = None
    try:
        curves = [_Curve.of(each) for each in _list(content.get("curves", []), MOST_LINES)]
        if curves:
            plots += [_roc(curves), _precision_recall(curves)]
        if content.get("reliability"):
            plots.append(_reliability(_list(content["reliability"], MOST_POINTS)))
        if content.get("confusion"):
            confusion = _confusion(content["labels"], content["confusion"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        logger.warning("The pictures of a model are left out: %s", error)
    return Pictures(tuple(plots), confusion) if plots or confusion else None


@dataclass(frozen=True)
class _Curve:
    label: str
    roc_auc: float
    average_precision: float
    share: float
    roc: list[tuple[float, float]]
    precision_recall: list[tuple[float, float]]

    @classmethod
    def of(cls, content: Mapping[str, Any]) -> "_Curve":
        return cls(
            label=str(content["label"])[:60],
            roc_auc=_share(content["roc_auc"]),
            average_precision=_share(content["average_precision"]),
            share=_share(content["share"]),
            roc=_points(content["roc"]),
            precision_recall=_points(content["precision_recall"]),
        )


def _roc(curves: Sequence[_Curve]) -> Plot:
    return Plot(
        key="roc",
        title=_("ROC curve"),
        x_name=_("share of the others that it takes for the label"),
        y_name=_("share of the label that it finds"),
        summary=" ".join(
            _("%(label)s: area %(area)s.") % {"label": each.label, "area": figure(each.roc_auc, 3)}
            for each in curves
        ),
        lines=tuple(Line(each.label, _path(each.roc)) for each in curves),
        guess=_path([(0, 0), (1, 1)]),
        guess_name=_("guessing"),
    )


def _precision_recall(curves: Sequence[_Curve]) -> Plot:
    level = curves[0].share
    return Plot(
        key="precision-recall",
        title=_("Precision and recall"),
        x_name=_("recall: share of the label that it finds"),
        y_name=_("precision: share of its finds that are right"),
        summary=" ".join(
            _("%(label)s: average precision %(precision)s.")
            % {"label": each.label, "precision": figure(each.average_precision, 3)}
            for each in curves
        ),
        lines=tuple(Line(each.label, _path(each.precision_recall)) for each in curves),
        guess=_path([(0, level), (1, level)]) if len(curves) == 1 else "",
        guess_name=_("guessing") if len(curves) == 1 else "",
    )


def _reliability(bins: Sequence[Any]) -> Plot:
    found = [(_share(sure), _share(right), int(rows)) for sure, right, rows in bins]
    most = max(rows for _sure, _right, rows in found)
    if min(rows for _sure, _right, rows in found) < 0 or not most:
        raise ValueError("a bin of the reliability has rows, 1 or more")
    return Plot(
        key="reliability",
        title=_("Reliability"),
        x_name=_("how sure it is"),
        y_name=_("how often it is right"),
        summary=" ".join(
            _("%(sure)s sure: %(right)s right.")
            % {"sure": percent(sure, 0), "right": percent(right, 0)}
            for sure, right, _rows in found
        ),
        lines=(Line("", _path([(sure, right) for sure, right, _rows in found])),),
        dots=tuple(
            Dot(
                *_place(sure, right),
                radius=round(SMALLEST + (LARGEST - SMALLEST) * math.sqrt(rows / most), 1),
                label=_("%(rows)s texts, %(sure)s sure on average, %(right)s right")
                % {
                    "rows": figure(rows),
                    "sure": percent(sure),
                    "right": percent(right),
                },
            )
            for sure, right, rows in found
        ),
        guess=_path([(0, 0), (1, 1)]),
        guess_name=_("as it should be"),
    )


def _confusion(labels: Any, counts: Any) -> Confusion:
    names = tuple(str(label)[:60] for label in _list(labels, MOST_LABELS))
    table = [[int(rows) for rows in _list(row, MOST_LABELS)] for row in _list(counts, MOST_LABELS)]
    if [len(row) for row in table] != [len(names)] * len(names):
        raise ValueError("a confusion matrix has a row and a column for each label")
    return Confusion(
        names,
        tuple(
            (
                name,
                tuple(
                    Cell(rows, figure(rows), round(SHADES * rows / (sum(row) or 1)), true == given)
                    for given, rows in enumerate(row)
                ),
            )
            for true, (name, row) in enumerate(zip(names, table, strict=True))
        ),
    )


def _list(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise TypeError(f"a list of at most {most} is expected")
    return value


def _share(value: Any) -> float:
    share = float(value)
    if not 0 <= share <= 1:
        raise ValueError(f"{share} is not within 0..1")
    return share


def _points(value: Any) -> list[tuple[float, float]]:
    return [(_share(x), _share(y)) for x, y in _list(value, MOST_POINTS)]


def _place(x: float, y: float) -> tuple[float, float]:
    return round(SIDE * x, 1), round(SIDE * (1 - y), 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in (_place(*point) for point in points))


def _counted(facts: Mapping[str, Any]) -> Confusion | None:
    """The confusion of two labels, worked out of their precision and recall; None if it is not.

    Models that were made before their pictures were kept have these measures. They give the counts
    exactly, which is checked.
    """
    recalls = {
        row.label: number(facts, "metrics", f"test_recall_{row.label}") for row in class_rows(facts)
    }
    rows = number(facts, "metrics", "test_rows")
    if len(recalls) != 2 or not rows:
        return None
    (first, of_first), (second, of_second) = recalls.items()
    precision = number(facts, "metrics", f"test_precision_{second}")
    if of_first is None or of_second is None or not precision:
        return None
    missed, spread = 1 - of_first, of_second * (1 - precision) / precision
    if not missed + spread:
        return None
    seconds = round(rows * missed / (missed + spread))
    firsts = round(rows) - seconds
    found = [round(firsts * of_first), round(seconds * of_second)]
    table = [[found[0], firsts - found[0]], [seconds - found[1], found[1]]]
    given = table[0][1] + table[1][1]
    exact = (
        firsts
        and seconds
        and given
        and all(
            abs(left - right) < EXACT
            for left, right in (
                (found[0] / firsts, of_first),
                (found[1] / seconds, of_second),
                (found[1] / given, precision),
            )
        )
    )
    return _confusion([first, second], table) if exact else None
