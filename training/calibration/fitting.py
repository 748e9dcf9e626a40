"""All that is fitted to a model's outputs, and what it is worth on rows it was not fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from classifier.messages import message
from classifier.rating_file import CONFIDENCE, PROBABILITY, STARS
from classifier.ratings import ConfidenceMap, RatingMap
from training.calibration.errors import CalibrationError
from training.calibration.probability_map import fit_probability_map
from training.calibration.star_rule import fit_star_rule, fit_star_temperature
from training.calibration.temperature import fit_temperature, log_loss
from training.evaluation.metrics import calibration_bins, calibration_error
from training.evaluation.rated import Rated, rate_rows
from training.evaluation.rating_measures import Cells, rating_measures

FOLDS = 5
LEAST_OF_LABEL = 5  # rows, of two labels: each fold's fit then has rows of both
LEAST_STARS = 50  # rows

Wanted = Literal["auto", "none"]


@dataclass(frozen=True)
class Observed:
    """What a model said of rows, and what is true of them."""

    logits: NDArray[np.float64]
    """Shape (rows, labels)."""
    star_logits: NDArray[np.float64] | None
    """Shape (rows, 10), of a model with a star head."""
    label_ids: NDArray[np.int64]
    """Shape (rows,)."""
    cells: Cells
    """The stars of the rows."""
    positive: int | None
    """Which label is POSITIVE; None where the labels are not the two sentiments."""

    def __getitem__(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> "Observed":
        return Observed(
            self.logits[chosen],
            None if self.star_logits is None else self.star_logits[chosen],
            self.label_ids[chosen],
            self.cells[chosen],
            self.positive,
        )


@dataclass(frozen=True)
class Calibration:
    """What was fitted."""

    temperature: float = 1.0
    star_temperature: float = 1.0
    rating_map: RatingMap = ConfidenceMap()  # noqa: RUF009 - it is frozen and empty

    def probabilities(self, rows: Observed) -> NDArray[np.float64]:
        """Shape (rows, labels)."""
        found: NDArray[np.float64] = softmax(rows.logits / self.temperature, axis=1)
        return found

    def rated(self, rows: Observed) -> Rated | None:
        """The ratings; None where the labels are not the two sentiments."""
        if rows.positive is None:
            return None
        stars = rows.star_logits
        return rate_rows(
            self.rating_map,
            self.probabilities(rows)[:, rows.positive],
            None if stars is None else stars / self.star_temperature,
        )


def kind_of_rating(rows: Observed, wanted: Wanted = "auto") -> str:
    """Which rating can be fitted: of classifier.rating_file.KINDS.

    Args:
        wanted: "none" leaves the ratings to the model's confidence; so does "auto" where fewer
            than LEAST_STARS rows have stars, or the labels are not the two sentiments.
    """
    has_stars = int(rows.cells.known.sum()) >= LEAST_STARS
    if wanted == "none" or rows.positive is None or not has_stars:
        return CONFIDENCE
    return PROBABILITY if rows.star_logits is None else STARS


def fit(rows: Observed, kind: str, *, interval: float = 0.8) -> Calibration:
    """Fit a temperature, and a rating of the kind.

    Args:
        rows: that the model was not trained on.
        kind: as kind_of_rating says.
        interval: the share of the stars that intervals shall cover, 0..1.

    Raises:
        CalibrationError: fewer than two labels, or too few stars for the kind.
    """
    found = Calibration(temperature=fit_temperature(rows.logits, rows.label_ids))
    if kind == CONFIDENCE:
        return found
    probability, cells = found.probabilities(rows)[:, rows.positive], rows.cells
    if rows.star_logits is None or kind == PROBABILITY:
        return replace(found, rating_map=fit_probability_map(probability, cells, interval=interval))
    temperature = fit_star_temperature(probability, rows.star_logits, cells)
    stars = rows.star_logits / temperature
    rule = fit_star_rule(probability, stars, cells, interval=interval)
    return replace(found, star_temperature=temperature, rating_map=rule)


def require_rows(label_ids: NDArray[np.int64]) -> None:
    """Refuse rows on which nothing can be fitted and measured.

    Raises:
        CalibrationError: fewer than two labels have LEAST_OF_LABEL rows.
    """
    counts = np.bincount(label_ids, minlength=2)
    if (counts >= LEAST_OF_LABEL).sum() < 2:
        raise CalibrationError(
            message(
                "Calibration needs {least_of_label} rows or more of two labels, but of its "
                "labels there are {names}. Give more rows, or train with --no-calibrate.",
                least_of_label=LEAST_OF_LABEL,
                names=", ".join(map(str, counts)),
            )
        )


def measured(calibration: Calibration, rows: Observed) -> dict[str, float]:
    """`calibration_error`, `log_loss` in nats, and the rating_measures of rows."""
    return _measures(calibration.probabilities(rows), calibration.rated(rows), rows)


def cross_measured(rows: Observed, kind: str, *, interval: float = 0.8) -> dict[str, float]:
    """As `measured`, of each fifth of the rows with what was fitted on the other four.

    So no row says how good a fit on itself is. Arguments and errors as fit.
    """
    count = len(rows.label_ids)
    order = np.random.default_rng(0).permutation(count)
    order = order[np.argsort(rows.label_ids[order], kind="stable")]
    folds = np.empty(count, dtype=np.int64)
    folds[order] = np.arange(count) % FOLDS  # each with its share of each label
    fitted = [fit(rows[folds != fold], kind, interval=interval) for fold in range(FOLDS)]
    held_out = [rows[folds == fold] for fold in range(FOLDS)]
    parts = list(zip(fitted, held_out, strict=True))
    return _measures(
        np.concatenate([each.probabilities(part) for each, part in parts]),
        _joined([each.rated(part) for each, part in parts]),
        rows[np.argsort(folds, kind="stable")],
    )


def _measures(
    probabilities: NDArray[np.float64], rated: Rated | None, rows: Observed
) -> dict[str, float]:
    tiny = np.finfo(np.float64).tiny
    return {
        "calibration_error": calibration_error(calibration_bins(probabilities, rows.label_ids)),
        "log_loss": float(log_loss(np.log(np.maximum(probabilities, tiny)), rows.label_ids).mean()),
        **(rating_measures(rated, rows.cells) if rated else {}),
    }


def _joined(parts: Sequence[Rated | None]) -> Rated | None:
    """The ratings of all parts, one after the other; all are of one kind."""
    found = [part for part in parts if part]

    def ends(name: str) -> NDArray[np.int64] | None:
        arrays = [getattr(part, name) for part in found]
        return None if arrays[0] is None else np.concatenate(arrays)

    if not found:
        return None
    values, expected = (
        np.concatenate([getattr(part, name) for part in found]) for name in ("values", "expected")
    )
    return Rated(values, ends("low"), ends("high"), expected)
