"""What the page of a prediction draws and says, in places and figures."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from classifier.labels import POSITIVE
from classifier.models import Prediction
from classifier.models.labels import label_choices
from classifier.ratings import LOWEST, RATINGS

# In the drawings' own units; all places are whole numbers, which no language writes differently.
PITCH = 30  # from one rating to the next
INSET = 3  # between neighbouring intervals
WIDTH = PITCH * len(RATINGS)
COLUMN = 48  # height of the highest
MOST_SURE = 99.9  # percent; what is rounded to 100 would be a promise


class Place(NamedTuple):
    rating: int
    x: int
    """Of its middle."""


def place_of(rating: int) -> int:
    """Where the middle of a rating stands on the scale."""
    return (rating - LOWEST) * PITCH + PITCH // 2


class Bar(NamedTuple):
    label: str
    percent: float
    width: int


@dataclass(frozen=True)
class ShownPrediction:
    prediction: Prediction

    @property
    def places(self) -> list[Place]:
        return [Place(rating, place_of(rating)) for rating in RATINGS]

    @property
    def x(self) -> int:
        return place_of(self.prediction.sentiment.rating)

    @property
    def band(self) -> tuple[int, int] | None:
        """Where the interval begins on the scale, and how wide it is."""
        if not (ends := self.prediction.rating_interval):
            return None
        low, high = ends
        return place_of(low) - PITCH // 2 + INSET, (high - low + 1) * PITCH - 2 * INSET

    @property
    def rated(self) -> bool:
        return self.prediction.rating is not None

    @property
    def explained(self) -> bool:
        """Whether it can be said what moved the rating."""
        return self.rated and not self.prediction.text_pair

    @property
    def bars(self) -> list["Bar"]:
        """Of each label its probability, the likeliest first."""
        names = dict(label_choices(self.prediction.label_probabilities))
        said = sorted(self.prediction.label_probabilities.items(), key=lambda each: -each[1])
        return [
            Bar(str(names[label]), round(100 * share, 1), round(WIDTH * share))
            for label, share in said
        ]

    @property
    def positive(self) -> bool:
        return bool(self.prediction.label == POSITIVE)

    @property
    def sure(self) -> float:
        """The probability of the label in percent, never 100."""
        return min(round(100 * self.prediction.score, 1), MOST_SURE)

    @property
    def lean(self) -> tuple[int, int, int]:
        """The bar from the middle to P(POSITIVE): where it begins, its width, and its tip."""
        middle, tip = WIDTH // 2, round(WIDTH * self.prediction.sentiment.positive_probability)
        return min(middle, tip), abs(tip - middle), tip


@dataclass(frozen=True)
class ShownRatings:
    """Predictions that are shown together; one at least."""

    all: Sequence[ShownPrediction]

    @property
    def rated(self) -> bool:
        """Whether each has a rating, so that they can be drawn together."""
        return all(one.rated for one in self.all)

    @property
    def labels(self) -> list[tuple[str, int]]:
        """How many have each label, the most frequent first."""
        names = Counter(one.prediction.get_label_display() for one in self.all)
        return names.most_common()

    @property
    def mean(self) -> float:
        return sum(one.prediction.sentiment.rating for one in self.all) / len(self.all)

    @property
    def positive(self) -> int:
        return sum(one.positive for one in self.all)

    @property
    def columns(self) -> list[tuple[Place, int, int]]:
        """Of each rating its place, how many have it, and how high its column is."""
        counts = Counter(one.prediction.sentiment.rating for one in self.all)
        most = max(counts.values())
        return [
            (Place(rating, place_of(rating)), counts[rating], round(COLUMN * counts[rating] / most))
            for rating in RATINGS
        ]


@dataclass(frozen=True)
class ShownComparison:
    """Two predictions, and what lies between them."""

    first: ShownPrediction
    second: ShownPrediction

    @property
    def rated(self) -> bool:
        return self.first.rated and self.second.rated

    @property
    def same_label(self) -> bool:
        return bool(self.first.prediction.label == self.second.prediction.label)

    @property
    def stars_apart(self) -> int:
        return abs(self._ratings[0] - self._ratings[1])

    @property
    def first_is_better(self) -> bool:
        return self._ratings[0] > self._ratings[1]

    @property
    def intervals_meet(self) -> bool | None:
        """Whether some rating lies in both intervals; None where there are not two."""
        first, second = (one.prediction.rating_interval for one in (self.first, self.second))
        if first is None or second is None:
            return None
        return max(first[0], second[0]) <= min(first[1], second[1])

    @property
    def gap(self) -> tuple[int, int]:
        """Where the line between both ratings begins on the scale, and where it ends."""
        return min(self.first.x, self.second.x), max(self.first.x, self.second.x)

    @property
    def points_apart(self) -> int:
        """How far P(POSITIVE) of the two lies apart, in percentage points."""
        first, second = self.first.prediction.sentiment, self.second.prediction.sentiment
        return round(100 * abs(first.positive_probability - second.positive_probability))

    @property
    def _ratings(self) -> tuple[int, int]:
        first, second = self.first.prediction.sentiment, self.second.prediction.sentiment
        return first.rating, second.rating


def as_json(answer: object) -> str:
    """An answer of the API, for people to read."""
    return json.dumps(answer, ensure_ascii=False, indent=2)
