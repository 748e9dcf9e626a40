"""How good ratings are, beside the stars that people gave.

The stars of a row are a cell of the scale 1..10: one rating where people gave 1 to 10, two where
they gave 1 to 5 (four of five are 7 or 8).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from training.evaluation.rated import Rated

if TYPE_CHECKING:
    import pandas as pd

RATING_MEASURES = (
    *("rating_mae", "rating_exact", "rating_within_one", "rating_spearman"),
    *("rating_coverage", "rating_width"),
)
"""In the order in which tables show them; not each occurs."""


@dataclass(frozen=True)
class Cells:
    """The stars of rows: each row's ratings, low..high, both in it."""

    low: NDArray[np.int64]
    high: NDArray[np.int64]
    """Shape (rows,), 1..10; 0 in both where a row has no stars."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have stars."""
        known: NDArray[np.bool_] = self.low > 0
        return known

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> "Cells":
        return Cells(self.low[rows], self.high[rows])

    def __len__(self) -> int:
        return len(self.low)

    def distance(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Of each rating from its row's cell, 0 within it; shape (rows,)."""
        distances: NDArray[np.int64] = np.maximum(self.low - values, values - self.high).clip(0)
        return distances

    def above(self, rating: int) -> NDArray[np.float64]:
        """The fraction of each cell that lies above `rating`, 0..1; shape (rows,)."""
        fractions: NDArray[np.float64] = (self.high - rating) / self._sizes
        return fractions.clip(0.0, 1.0)

    def within(self, low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.float64]:
        """The fraction of each cell that lies in low..high, 0..1; shape (rows,)."""
        shared = np.minimum(self.high, high) - np.maximum(self.low, low) + 1
        fractions: NDArray[np.float64] = shared.clip(0) / self._sizes
        return fractions

    @property
    def _sizes(self) -> NDArray[np.int64]:
        return self.high - self.low + 1


@dataclass(frozen=True)
class RatedRows:
    """Rows with the ratings that a model gives them and the stars that people gave."""

    rated: Rated
    cells: Cells

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> "RatedRows":
        return RatedRows(self.rated[rows], self.cells[rows])

    def measures(self) -> dict[str, float]:
        """As rating_measures gives them."""
        return rating_measures(self.rated, self.cells)

    def by_stars(self) -> dict[tuple[int, int], dict[str, float]]:
        """The measures of each cell that occurs, the lowest first."""
        found = sorted(set(zip(self.cells.low.tolist(), self.cells.high.tolist(), strict=True)))
        return {
            (low, high): self[(self.cells.low == low) & (self.cells.high == high)].measures()
            for low, high in found
            if low
        }


def cells_of(frame: "pd.DataFrame") -> Cells:
    """The stars of a frame's rows, from its columns star_low and star_high, if it has them."""
    if "star_low" not in frame:
        none = np.zeros(len(frame), dtype=np.int64)
        return Cells(none, none)
    return Cells(*(frame[column].to_numpy(dtype=np.int64) for column in ("star_low", "star_high")))


def rating_measures(rated: Rated, cells: Cells) -> dict[str, float]:
    """Flat measures of the rows that have stars; empty where none has.

    Args:
        rated, cells: of the same rows.

    Returns:
        `rating_rows`; `rating_mae`, the mean distance from the row's cell; `rating_exact`, the
        share within the cell, and `rating_within_one`; `rating_spearman`, the rank correlation of
        `rated.expected` with the middles of the cells, left out where either does not vary; and
        of a map with intervals `rating_coverage`, the mean share of the cell that the interval
        holds, and `rating_width`, the mean count of ratings in it.
    """
    rows = cells.known
    if not rows.any():
        return {}
    cells, rated = cells[rows], rated[rows]
    distance = cells.distance(rated.values)
    result = {
        "rating_rows": float(len(cells)),
        "rating_mae": float(distance.mean()),
        "rating_exact": float((distance == 0).mean()),
        "rating_within_one": float((distance <= 1).mean()),
    }
    middles = cells.low + cells.high
    if np.ptp(rated.expected) > 0 and np.ptp(middles) > 0:
        result["rating_spearman"] = float(stats.spearmanr(rated.expected, middles).statistic)
    if rated.low is not None and rated.high is not None:
        result["rating_coverage"] = float(cells.within(rated.low, rated.high).mean())
        result["rating_width"] = float((rated.high - rated.low + 1).mean())
    return result
