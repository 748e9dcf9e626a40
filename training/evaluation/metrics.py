"""Measures of a classifier, from its probabilities and the true labels."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

from classifier.labels import POSITIVE
from training.evaluation.rating_measures import RATING_MEASURES, RatedRows

CALIBRATION_BINS = 15  # Guo et al. 2017
CURVE_POINTS = 400
LENGTH_EDGES = (16, 32, 64, 128, 256, 512, 1024)  # tokens
MEASURES = (
    *("accuracy", "f1_macro", "f1", "roc_auc", "average_precision"),
    *("calibration_error", "majority_baseline", *RATING_MEASURES),
)
"""The measures of a whole split, in the order in which tables show them; not each occurs."""


@dataclass(frozen=True)
class ClassMeasures:
    """One label against the rest."""

    label: str
    rows: int
    """Rows that truly have it."""
    given: int
    """Rows that the model gives it to."""
    precision: float
    """Share of `given` that is right, 0..1; 0 where none is given."""
    recall: float
    """Share of `rows` that is found, 0..1; 0 where there are none."""
    f1: float


@dataclass(frozen=True)
class LengthSlice:
    """The rows whose length lies in shortest..longest tokens."""

    shortest: int
    longest: int | None
    """None has no upper end."""
    rows: int
    accuracy: float
    f1_macro: float
    calibration_error: float
    """Of few rows it is large by chance."""
    ratings: dict[str, float] = field(default_factory=dict)
    """As rating_measures gives them; empty where no row has stars."""


@dataclass(frozen=True)
class CalibrationBin:
    """The rows whose winning probability lies in lower < p <= upper."""

    lower: float
    upper: float
    rows: int
    confidence: float
    """Their mean winning probability; 0 in an empty bin."""
    accuracy: float
    """The share of them that is right; 0 in an empty bin."""


@dataclass(frozen=True)
class Curve:
    """ROC and precision-recall of one label against the rest, thinned to CURVE_POINTS."""

    label: str
    roc_auc: float
    average_precision: float
    share: float
    """Share of the rows that have the label: the precision of guessing."""
    false_positive_rate: tuple[float, ...]
    true_positive_rate: tuple[float, ...]
    recall: tuple[float, ...]
    precision: tuple[float, ...]


@dataclass(frozen=True)
class WorstError:
    """A row that the model got wrong, and how sure it was."""

    row: int
    """Position in the measured split, from 0."""
    loss: float
    """Cross entropy, -ln P(true label), in nats."""
    true: str
    given: str
    score: float
    """Probability of the label given, 0..1."""
    text: str
    """An excerpt."""


@dataclass(frozen=True)
class Evaluation:
    """All that is measured of a model on one split."""

    labels: tuple[str, ...]
    measures: dict[str, float]
    """As classification_metrics gives them."""
    classes: tuple[ClassMeasures, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Counts of rows; the true label picks the row, the one given the column."""
    calibration: tuple[CalibrationBin, ...]
    curves: tuple[Curve, ...]
    """Of the positive label where there are two, else of each label that occurs."""
    slices: tuple[LengthSlice, ...]
    errors: tuple[WorstError, ...]
    probabilities: NDArray[np.float64] = field(repr=False, compare=False)
    """Shape (rows, labels)."""
    label_ids: NDArray[np.int64] = field(repr=False, compare=False)
    """Shape (rows,), ids into `labels`."""
    ratings: RatedRows | None = field(default=None, repr=False, compare=False)
    """Of the same rows; None where none has stars, or the labels are not the two sentiments."""

    def confusions(self) -> list[tuple[str, str, int]]:
        """True label, label given and count of rows of each mistake, the commonest first."""
        pairs = [
            (self.labels[true], self.labels[given], count)
            for true, row in enumerate(self.confusion)
            for given, count in enumerate(row)
            if count and true != given
        ]
        return sorted(pairs, key=lambda pair: -pair[2])

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: all but the rows' probabilities. The errors quote texts of the data."""
        skipped = {"probabilities", "label_ids", "ratings"}
        shallow = {key: value for key, value in vars(self).items() if key not in skipped}
        structured = ("classes", "calibration", "curves", "slices", "errors")
        return {
            key: [asdict(item) for item in value] if key in structured else value
            for key, value in shallow.items()
        }


def classification_metrics(
    probabilities: NDArray[np.float64], label_ids: NDArray[np.int64], labels: Sequence[str]
) -> dict[str, float]:
    """Flat measures of a split, every row counted.

    Args:
        probabilities: shape (rows, labels), each row summing to 1.
        label_ids: shape (rows,), the true label of each row, 0..labels-1.
        labels: names of the labels, in the order of the columns.

    Returns:
        Those of split_measures, and `precision_X`, `recall_X`, `f1_X` of each label X that
        occurs or is given to a row; f1_macro is the mean of these f1_X.

    Raises:
        ValueError: no rows, shapes that do not fit, or probabilities that are not finite.
    """
    keys = metric_keys(labels)
    per_class = {
        f"{name}_{keys[label.label]}": getattr(label, name)
        for label in class_measures(probabilities, label_ids, labels)
        if label.rows or label.given
        for name in ("precision", "recall", "f1")
    }
    return split_measures(probabilities, label_ids, labels) | per_class


def split_measures(
    probabilities: NDArray[np.float64], label_ids: NDArray[np.int64], labels: Sequence[str]
) -> dict[str, float]:
    """The measures of a split as a whole; arguments and errors as classification_metrics.

    Returns:
        `rows`, `accuracy`, `f1_macro`, `majority_baseline` (accuracy of always giving the
        commonest label), `calibration_error` (see calibration_bins); with two labels also `f1`
        of the positive one. `roc_auc` and `average_precision` are those of the positive label
        of two, or the mean over the labels of more, each against the rest, that occur in some
        rows but not in all; where no label does they are not defined, and left out.
    """
    _check(probabilities, label_ids, labels)
    predicted = probabilities.argmax(axis=1)
    result = {
        "rows": float(len(label_ids)),
        "accuracy": float(metrics.accuracy_score(label_ids, predicted)),
        "f1_macro": float(metrics.f1_score(label_ids, predicted, average="macro", zero_division=0)),
        "majority_baseline": float(np.bincount(label_ids).max() / len(label_ids)),
        "calibration_error": calibration_error(calibration_bins(probabilities, label_ids)),
    }
    if len(labels) == 2:
        positive = positive_id(labels)
        truth = label_ids == positive
        result["f1"] = float(metrics.f1_score(truth, predicted == positive, zero_division=0))
    if ranked := ranked_labels(label_ids, labels):
        truths = [(label_ids == label, probabilities[:, label]) for label in ranked]
        result["roc_auc"] = float(np.mean([metrics.roc_auc_score(*pair) for pair in truths]))
        result["average_precision"] = float(
            np.mean([metrics.average_precision_score(*pair) for pair in truths])
        )
    return result


def positive_id(labels: Sequence[str]) -> int:
    """Which of two labels is found or missed: POSITIVE by name, else the second."""
    return labels.index(POSITIVE) if POSITIVE in labels else 1


def ranked_labels(label_ids: NDArray[np.int64], labels: Sequence[str]) -> list[int]:
    """The labels against whose rest rows can be ranked: they occur, but not in every row."""
    counts = np.bincount(label_ids, minlength=len(labels))
    wanted = [positive_id(labels)] if len(labels) == 2 else range(len(labels))
    return [label for label in wanted if 0 < counts[label] < len(label_ids)]


def metric_keys(labels: Sequence[str]) -> dict[str, str]:
    """A name for each label that may stand in a metric's name: letters, digits and _ - . alone."""
    keys: dict[str, str] = {}
    for index, label in enumerate(labels):
        key = re.sub(r"[^\w.\-]+", "_", label)
        keys[label] = f"{key}_{index}" if key in keys.values() else key
    return keys


def class_measures(
    probabilities: NDArray[np.float64], label_ids: NDArray[np.int64], labels: Sequence[str]
) -> tuple[ClassMeasures, ...]:
    """Precision, recall and F1 of each label, in their order; arguments and errors as above."""
    _check(probabilities, label_ids, labels)
    predicted = probabilities.argmax(axis=1)
    precision, recall, f1, rows = metrics.precision_recall_fscore_support(
        label_ids, predicted, labels=range(len(labels)), zero_division=0
    )
    given = np.bincount(predicted, minlength=len(labels))
    return tuple(
        ClassMeasures(label, int(n), int(g), float(p), float(r), float(f))
        for label, n, g, p, r, f in zip(labels, rows, given, precision, recall, f1, strict=True)
    )


def confusion_counts(
    probabilities: NDArray[np.float64], label_ids: NDArray[np.int64]
) -> tuple[tuple[int, ...], ...]:
    """Rows by true label (first index) and label given (second)."""
    counts = metrics.confusion_matrix(
        label_ids, probabilities.argmax(axis=1), labels=range(probabilities.shape[1])
    )
    return tuple(tuple(map(int, row)) for row in counts)


def calibration_bins(
    probabilities: NDArray[np.float64], label_ids: NDArray[np.int64]
) -> tuple[CalibrationBin, ...]:
    """Rows by their winning probability, in 15 bins of equal width.

    Guo et al. 2017, On Calibration of Modern Neural Networks, arXiv:1706.04599, section 2.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == label_ids
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    # Softmax may sum to a shade above 1; such a row belongs to the last bin.
    owners = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, CALIBRATION_BINS - 1)
    bins = []
    for index in range(CALIBRATION_BINS):
        inside = owners == index
        filled = bool(inside.any())
        bins.append(
            CalibrationBin(
                lower=float(edges[index]),
                upper=float(edges[index + 1]),
                rows=int(inside.sum()),
                confidence=float(confidence[inside].mean()) if filled else 0.0,
                accuracy=float(right[inside].mean()) if filled else 0.0,
            )
        )
    return tuple(bins)


def calibration_error(bins: Sequence[CalibrationBin]) -> float:
    """Expected calibration error, 0..1: how far accuracy is from confidence, on average by row."""
    rows = sum(part.rows for part in bins)
    return sum(part.rows * abs(part.accuracy - part.confidence) for part in bins) / rows


def label_curves(
    probabilities: NDArray[np.float64], label_ids: NDArray[np.int64], labels: Sequence[str]
) -> tuple[Curve, ...]:
    """The curves behind roc_auc and average_precision, one for each of ranked_labels."""
    curves = []
    for label in ranked_labels(label_ids, labels):
        truth, score = label_ids == label, probabilities[:, label]
        false_positive_rate, true_positive_rate, _ = metrics.roc_curve(truth, score)
        precision, recall, _ = metrics.precision_recall_curve(truth, score)
        curves.append(
            Curve(
                label=labels[label],
                roc_auc=float(metrics.roc_auc_score(truth, score)),
                average_precision=float(metrics.average_precision_score(truth, score)),
                share=float(truth.mean()),
                false_positive_rate=_thinned(false_positive_rate),
                true_positive_rate=_thinned(true_positive_rate),
                recall=_thinned(recall),
                precision=_thinned(precision),
            )
        )
    return tuple(curves)


def length_slices(
    probabilities: NDArray[np.float64],
    label_ids: NDArray[np.int64],
    tokens: NDArray[np.int64],
    ratings: RatedRows | None = None,
) -> tuple[LengthSlice, ...]:
    """Measures by length; the edges are always the same, so slices of two runs compare.

    Args:
        tokens: shape (rows,), each row's length in tokens.
        ratings: of the same rows, where they have stars.
    """
    predicted = probabilities.argmax(axis=1)
    owners = np.searchsorted(LENGTH_EDGES, tokens, side="left")
    slices = []
    for index in np.unique(owners):
        inside = owners == index
        truth, given = label_ids[inside], predicted[inside]
        slices.append(
            LengthSlice(
                shortest=LENGTH_EDGES[index - 1] + 1 if index else 1,
                longest=LENGTH_EDGES[index] if index < len(LENGTH_EDGES) else None,
                rows=int(inside.sum()),
                accuracy=float((truth == given).mean()),
                f1_macro=float(metrics.f1_score(truth, given, average="macro", zero_division=0)),
                calibration_error=calibration_error(calibration_bins(probabilities[inside], truth)),
                ratings=ratings[inside].measures() if ratings else {},
            )
        )
    return tuple(slices)


def _thinned(values: NDArray[np.float64]) -> tuple[float, ...]:
    kept = np.linspace(0, len(values) - 1, min(len(values), CURVE_POINTS)).round().astype(int)
    return tuple(float(value) for value in values[kept])


def _check(
    probabilities: NDArray[np.float64], label_ids: NDArray[np.int64], labels: Sequence[str]
) -> None:
    if len(label_ids) == 0 or probabilities.shape != (len(label_ids), len(labels)):
        raise ValueError(
            "Measures need at least one row, and a probability for each row and label, but there "
            f"are {len(label_ids)} rows, {len(labels)} labels and probabilities of shape "
            f"{probabilities.shape}. Check the data and the model's labels."
        )
    if not np.isfinite(probabilities).all():
        broken = int((~np.isfinite(probabilities).all(axis=1)).sum())
        raise ValueError(
            f"Probabilities must be finite numbers, but those of {broken} rows are not. The "
            "model's weights are broken: train again with a lower --learning-rate or in fp32."
        )
