"""The stars that people gave, on whatever scale, as ratings of 1 to 10."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from classifier.messages import message
from classifier.ratings import HIGHEST, LOWEST, RATINGS
from training.config import AUTO, DataConfig, stars_range
from training.data.reading import DataError

LOW, HIGH = "star_low", "star_high"  # columns: the ratings, both ends in, that a row's stars cover
NO_STARS = 0  # in both, where a row has none
SCALES = {"1-5": (1.0, 5.0), "1-10": (1.0, 10.0)}


def with_stars(frames: dict[str, pd.DataFrame], config: DataConfig) -> dict[str, pd.DataFrame]:
    """Frames with integer columns star_low and star_high; as they are where no stars are told.

    On a scale of k whole stars each covers its share of the ten ratings: 4 of 5 is a 7 or an 8.
    Of a given range that is no such scale, each tenth is a rating. The scale is found over all
    frames together. Frames that have the two columns already, as a run's own rows have, keep them.

    Raises:
        DataError: no such column, or a value that is no number or outside the scale.
    """
    column = config.stars_column
    if all(LOW in frame and HIGH in frame for frame in frames.values()):
        return frames
    having = {split: frame for split, frame in frames.items() if column and column in frame}
    if not having:
        if column and column != DataConfig.stars_column:
            raise DataError(
                message(
                    "stars_column must be a column of the data, but {column!r} is not among "
                    "{names}. Check --stars-column.",
                    column=column,
                    names=", ".join(map(str, next(iter(frames.values())).columns)),
                )
            )
        return frames
    numbers = {split: _numbers(frame[column], split, column) for split, frame in having.items()}
    low, high = _scale(np.concatenate(list(numbers.values())), config)
    return {
        split: frame.assign(**_cells(numbers[split], low, high, split, column))
        if split in having
        else frame.assign(**{LOW: NO_STARS, HIGH: NO_STARS})
        for split, frame in frames.items()
    }


def star_targets(frame: pd.DataFrame) -> NDArray[np.float32]:
    """What a star head is to say of each row, shape (rows, 10).

    The ratings that a row's stars cover share 1 evenly, as nothing tells them apart; a row
    without stars has zeros.
    """
    low, high = (frame[name].to_numpy()[:, None] for name in (LOW, HIGH))
    covered = ((np.asarray(RATINGS) >= low) & (np.asarray(RATINGS) <= high)).astype(np.float32)
    shares: NDArray[np.float32] = covered / np.maximum(covered.sum(axis=1, keepdims=True), 1)
    return shares


def _numbers(values: "pd.Series[Any]", split: str, column: str) -> NDArray[np.float64]:
    """NaN where a row has no stars."""
    empty = values.isna() | (values.astype(str).str.strip() == "")
    numbers = pd.to_numeric(values.where(~empty), errors="coerce")
    wrong = numbers.isna() & ~empty
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise DataError(
            message(
                "Stars are numbers, but row {row} of {split} has {found!r} in {column}. Mend "
                "it, or leave the cell empty.",
                row=row + 1,
                split=split,
                found=str(values.iloc[row])[:50],
                column=column,
            )
        )
    found: NDArray[np.float64] = numbers.to_numpy(dtype=np.float64)
    return found


def _scale(numbers: NDArray[np.float64], config: DataConfig) -> tuple[float, float]:
    if config.stars_range != AUTO:
        return stars_range(config.stars_range)
    known = numbers[~np.isnan(numbers)]
    return SCALES["1-5" if known.size and known.max() <= SCALES["1-5"][1] else "1-10"]


def _cells(
    numbers: NDArray[np.float64], low: float, high: float, split: str, column: str
) -> dict[str, NDArray[np.int64]]:
    known = ~np.isnan(numbers)
    outside = known & ~((numbers >= low) & (numbers <= high))
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        raise DataError(
            message(
                "Stars lie in {low:g}-{high:g}, but row {row} of {split} has {numbers:g} in "
                "{column}. Mend it, give the scale with --stars-range, or leave the cell "
                "empty.",
                low=low,
                high=high,
                row=row + 1,
                split=split,
                numbers=numbers[row],
                column=column,
            )
        )
    filled = np.where(known, numbers, low)
    whole = (low, high) in SCALES.values() and bool((filled == np.round(filled)).all())
    if whole:  # each star is a cell of its own
        width = HIGHEST / (high - low + 1)
        first = np.floor((filled - low) * width) + LOWEST
        last = np.ceil((filled - low + 1) * width)
    else:
        first = last = np.clip(np.ceil((filled - low) / (high - low) * HIGHEST), LOWEST, HIGHEST)
    return {
        LOW: np.where(known, first, NO_STARS).astype(np.int64),
        HIGH: np.where(known, last, NO_STARS).astype(np.int64),
    }
