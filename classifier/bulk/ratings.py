"""What was said of each row, and of all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from classifier.bulk.chunks import Chunk
from classifier.bulk.packing import broken, pack, unpack
from classifier.messages import from_data, is_data, message, to_data
from classifier.ratings import HIGHEST, LOWEST

_VERSION = 3
# Of version 1: without an interval; of version 2: without the probabilities of other labels.
_COLUMNS = {1: (0, 6), 2: (0, 8), _VERSION: (0, 9)}
LISTED_BAD_ROWS = 100


class Said(Protocol):
    """What a model says of one text: classifier.predictor.Classification."""

    @property
    def label(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def rating(self) -> int | None: ...
    @property
    def positive_probability(self) -> float | None: ...
    @property
    def probabilities(self) -> Mapping[str, float]: ...
    @property
    def windows(self) -> int: ...
    @property
    def rating_low(self) -> int | None: ...
    @property
    def rating_high(self) -> int | None: ...


Classify = Callable[[list[str]], Sequence[Said]]


class RowRating(NamedTuple):
    """Of a row that was rated all but `error`; of a bad row `error` alone.

    A rating that is the model's confidence alone has no interval. A model whose labels are not the
    two sentiments gives no rating, but `probabilities`.
    """

    label: str | None
    score: float | None
    """Softmax probability of `label`, 0..1."""
    rating: int | None
    """1 (worst) .. 10 (best)."""
    error: str | None
    positive_probability: float | None = None
    windows: int | None = None
    rating_low: int | None = None
    rating_high: int | None = None
    """Ends of the rating's interval, both in it."""
    probabilities: dict[str, float] | None = None
    """Of each label, 0..1, where there is no rating."""


def bad_row(reason: str) -> RowRating:
    return RowRating(None, None, None, reason)


def rate_chunk(chunk: Chunk, classify: Classify) -> list[RowRating]:
    """One rating for each row of the chunk, bad rows in their places.

    Args:
        classify: rates texts, in their order; cuts each to what the model is to read.
    """
    texts = chunk.texts()
    said = list(classify(texts)) if texts else []
    if len(said) != len(texts):
        raise ValueError(f"classify gave {len(said)} classifications for {len(texts)} texts.")
    left = iter(said)
    ratings = []
    for item in chunk.items:
        if item.text is None:
            ratings.append(bad_row(item.problem or ""))
        else:
            of = next(left)
            ratings.append(
                RowRating(
                    label=of.label,
                    score=of.score,
                    rating=of.rating,
                    error=None,
                    positive_probability=of.positive_probability,
                    windows=of.windows,
                    rating_low=of.rating_low,
                    rating_high=of.rating_high,
                    probabilities=dict(of.probabilities) if of.rating is None else None,
                )
            )
    return ratings


def ratings_to_bytes(ratings: Sequence[RowRating]) -> bytes:
    """The same bytes for the same ratings; floats are exact."""
    columns = zip(
        *(rating._replace(error=to_data(rating.error)) for rating in ratings), strict=True
    )
    return pack([_VERSION, *([*column] for column in columns)])


def ratings_from_bytes(data: bytes) -> list[RowRating]:
    """Raises:
    PartsError: `ratings_to_bytes` cannot have written this.
    """
    match unpack(data):
        case [int(version), *columns] if all(isinstance(column, list) for column in columns):
            same_length = len({len(column) for column in columns}) <= 1
            if len(columns) in _COLUMNS.get(version, ()) and same_length:
                ratings = [RowRating(*cells) for cells in zip(*columns, strict=True)]
                if all(map(_is_rating, ratings)):
                    return [
                        rating._replace(error=from_data(rating.error))
                        if rating.error is not None
                        else rating
                        for rating in ratings
                    ]
    raise broken(message("ratings"))


def _is_rating(rating: RowRating) -> bool:
    match rating:
        case RowRating(None, None, None, reason, None, None, None, None, None):
            return is_data(reason)
        case RowRating(
            str() as label,
            float() | int() as score,
            None,
            None,
            None,
            int(),
            None,
            None,
            dict() as shares,
        ):
            numbers = all(isinstance(share, float | int) for share in shares.values())
            return 0 <= score <= 1 and label in shares and numbers
        case RowRating(
            str(),
            float() | int() as score,
            int(value),
            None,
            float() | int() as positive,
            int(),
            None | int() as low,
            None | int() as high,
            None,
        ):
            ends = (value, value) if low is high is None else (low, high)
            return 0 <= score <= 1 and 0 <= positive <= 1 and _is_interval(ends, value)
    return False


def _is_interval(ends: tuple[int | None, int | None], value: int) -> bool:
    low, high = ends
    return low is not None and high is not None and LOWEST <= low <= value <= high <= HIGHEST


@dataclass
class Summary:
    """Counts of a whole table, gathered while it streams by."""

    rows: int = 0
    rated: int = 0
    bad: int = 0
    ratings: dict[int, int] = field(
        default_factory=lambda: dict.fromkeys(range(LOWEST, HIGHEST + 1), 0)
    )
    labels: dict[str, int] = field(default_factory=dict)
    bad_rows: list[tuple[int, str]] = field(default_factory=list)
    """Number and reason of the first LISTED_BAD_ROWS."""

    def add(self, row: int, rating: RowRating) -> None:
        self.rows += 1
        if rating.label is None:
            self.bad += 1
            if len(self.bad_rows) < LISTED_BAD_ROWS:
                self.bad_rows.append((row, rating.error or ""))
        else:
            self.rated += 1
            if rating.rating is not None:
                self.ratings[rating.rating] += 1
            self.labels[rating.label] = self.labels.get(rating.label, 0) + 1

    def as_dict(self) -> dict[str, Any]:
        """For a JSONField; ratings as a list from LOWEST to HIGHEST."""
        return {
            "rows": self.rows,
            "rated": self.rated,
            "bad": self.bad,
            "ratings": [self.ratings[rating] for rating in sorted(self.ratings)],
            "labels": dict(sorted(self.labels.items())),
            "bad_rows": [[row, to_data(reason)] for row, reason in self.bad_rows],
        }
