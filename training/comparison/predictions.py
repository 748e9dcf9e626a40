"""What a model said of each test row: written when a run is measured, read to compare runs."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.evaluation.metrics import split_measures
from training.evaluation.rated import Rated
from training.evaluation.rating_measures import Cells, RatedRows

PREDICTIONS = "predictions.parquet"
PROBABILITY = "probability_"
RATINGS = ("star_low", "star_high", "rating", "rating_expected", "rating_low", "rating_high")
"""Columns: the ratings that a row's stars cover, the rating it is given, what ranks it, and the
ends of its interval where the model knows one."""


class ComparisonError(ValueError):
    """The runs cannot be compared; the message says rule, value and remedy."""


@dataclass(frozen=True)
class Run:
    """The test predictions of one run, in an order that all runs on the same rows share."""

    name: str
    seed: int | None
    """None where they are not those of a finetune."""
    parameters: Mapping[str, Any]
    """Its config, flat, without the seed and what does not change the model."""
    labels: tuple[str, ...]
    digests: tuple[str, ...]
    label_ids: NDArray[np.int64]
    """Shape (rows,)."""
    probabilities: NDArray[np.float64]
    """Shape (rows, labels)."""
    ratings: RatedRows | None = None
    """Of the same rows, where they have stars."""

    def measures(self, rows: NDArray[np.int64]) -> dict[str, float]:
        """The measures of some of the rows, without those of single labels."""
        found = split_measures(self.probabilities[rows], self.label_ids[rows], self.labels)
        return found | (self.ratings[rows].measures() if self.ratings else {})


def save_predictions(
    path: Path,
    frame: pd.DataFrame,
    *,
    labels: Sequence[str],
    label_ids: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    ratings: RatedRows | None = None,
) -> None:
    """Write what a model said of each row, so that it can be compared with others on the same.

    The Parquet file has `row` (a digest of the row's text, never the text), `label` (the true
    one) and `probability_X` for each label X, in the order of `frame`; where rows have stars also
    the columns in RATINGS. It appears whole or not at all.

    Args:
        frame: rows with `text` and, for pairs, `text_pair`.
        labels: the model's labels, the columns of `probabilities`.
        label_ids: shape (rows,), the true labels as ids into `labels`.
        probabilities: shape (rows, labels).
        ratings: of the same rows, where they have stars.
    """
    texts = [frame[column] for column in ("text", "text_pair") if column in frame]
    columns: dict[str, Any] = {
        "row": [_digest(*row) for row in zip(*texts, strict=True)],
        "label": [labels[label] for label in label_ids],
    }
    for index, label in enumerate(labels):
        columns[PROBABILITY + label] = probabilities[:, index]
    if ratings:
        rated, cells = ratings.rated, ratings.cells
        arrays = (cells.low, cells.high, rated.values, rated.expected, rated.low, rated.high)
        columns |= {
            name: array for name, array in zip(RATINGS, arrays, strict=True) if array is not None
        }
    draft = path.with_name(f".{path.name}.draft")
    pd.DataFrame(columns).to_parquet(draft, index=False)
    os.replace(draft, path)


def load_run(name: str, *, runs_dir: Path) -> Run:
    """A run by its name under `runs_dir`, or by a directory with predictions.parquet.

    Raises:
        ComparisonError: there is no such run, or it has no readable predictions.
    """
    directory = next(
        (path for path in (runs_dir / name, Path(name)) if (path / PREDICTIONS).is_file()), None
    )
    if directory is None:
        known = sorted(path.parent.name for path in runs_dir.glob(f"*/{PREDICTIONS}"))
        raise ComparisonError(
            f"A run to compare has {PREDICTIONS}, and those are {', '.join(known) or 'none'}, but "
            f"it is {name!r}. Check the name, or write them: manage.py evaluate --model {name} "
            f"--dataset ... --report {runs_dir / name}"
        )
    try:
        frame = pd.read_parquet(directory / PREDICTIONS)
        labels = tuple(
            column.removeprefix(PROBABILITY) for column in frame if column.startswith(PROBABILITY)
        )
        # In one order, whatever that of the file: equal rows then stand side by side.
        frame = frame.sort_values(["row", "label"], kind="stable")
        label_ids = np.asarray([labels.index(label) for label in frame["label"]], dtype=np.int64)
    except (ValueError, KeyError, OSError) as error:
        raise ComparisonError(
            f"{PREDICTIONS} must have been written by finetune or evaluate, but that of {name} "
            f"is not readable ({str(error).splitlines()[0]}). Write it again: manage.py evaluate "
            f"--model {name} --dataset ... --report {directory}"
        ) from error
    seed, parameters = _recorded(directory / "config.json")
    return Run(
        name=name,
        seed=seed,
        parameters=parameters,
        labels=labels,
        digests=tuple(frame["row"]),
        label_ids=label_ids,
        probabilities=frame[[PROBABILITY + label for label in labels]].to_numpy(np.float64),
        ratings=_ratings(frame),
    )


def _ratings(frame: pd.DataFrame) -> RatedRows | None:
    if RATINGS[0] not in frame:
        return None
    columns: list[Any] = [frame[name].to_numpy() if name in frame else None for name in RATINGS]
    star_low, star_high, rating, expected, low, high = columns
    return RatedRows(Rated(rating, low, high, expected), Cells(star_low, star_high))


def _digest(*texts: str) -> str:
    """32 hexadecimal digits that tell a row from all others."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]


def _recorded(file: Path) -> tuple[int | None, dict[str, Any]]:
    """The seed of a run and its other parameters, flat."""
    if not file.is_file():
        return None, {}
    sections = json.loads(file.read_text(encoding="utf-8"))
    # Publishing a model does not make it another.
    parameters = {
        key: value
        for section, values in sections.items()
        if section != "publishing"
        for key, value in values.items()
    }
    return parameters.pop("seed", None), parameters
