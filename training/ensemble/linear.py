"""Naive-Bayes-weighted bigrams with logistic regression: a strong linear model in a minute.

Wang and Manning 2012, Baselines and Bigrams: Simple, Good Sentiment and Topic Classification,
https://aclanthology.org/P12-2018: which words and pairs of words a text has, each weighted by the
logarithm of how much likelier it is under one label than under the others. What is fitted is used
in the same process; nothing is pickled.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from classifier.labels import NEGATIVE, POSITIVE
from classifier.ratings import RATINGS
from training.data.reading import DataError
from training.data.splits import row_keys
from training.ensemble.beliefs import SENTIMENTS, Beliefs, concatenated

WORDS = r"(?u)\w+(?:'\w+)?|[!?]+"  # don't is one word, ?! another
LEAST_ROWS = 2  # that have a feature
SMOOTHING = 1.0  # added to each feature's count of rows
STRENGTH = 1.0  # C of the labels, the inverse of their regularization
STAR_STRENGTH = 0.03  # of the stars, where rows are fewer and nearer to each other
FOLDS = 5


@dataclass(frozen=True)
class _Ratings:
    """The five ratings of one sentiment: cumulative models at the thresholds that occur."""

    slots: slice
    """Which of the ten ratings they are."""
    heads: NDArray[np.int64]
    """Which heads say P(rating > j) at rising thresholds j, given the sentiment."""
    spread: NDArray[np.float64]
    """Shape (thresholds + 1, 5): how what lies between two thresholds is shared out."""

    def shares(self, above: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shape (texts, 5), each row summing to 1.

        Args:
            above: shape (texts, all heads), probabilities.
        """
        # Each threshold has a model of its own, and two of them may cross.
        falling = np.minimum.accumulate(above[:, self.heads], axis=1)
        bands: NDArray[np.float64] = -np.diff(falling, axis=1, prepend=1, append=0)
        return bands @ self.spread


class LinearModel:
    """A fitted model; made by `fit`."""

    def __init__(
        self,
        vectorizer: CountVectorizer,
        heads: Sequence[tuple[NDArray[np.float64], float]],
        labels: Sequence[str],
        ratings: Sequence[_Ratings],
    ) -> None:
        self.labels = tuple(labels)
        self._vectorizer = vectorizer
        self._weights = np.stack([weights for weights, _ in heads], axis=1)
        self._biases = np.array([bias for _, bias in heads])
        self._ratings = ratings

    @classmethod
    def fit(cls, frame: pd.DataFrame, labels: Sequence[str]) -> Self:
        """Fit it on labelled rows.

        Args:
            frame: rows of `text` and `label`, an id into `labels`; where stars are known,
                `star_low` and `star_high`, the ratings that a row's stars cover, or 0 and 0.
            labels: names of the labels; where they are the two sentiments, stars are learnt.

        Raises:
            DataError: a label has no row, or no word stands in two of them.
        """
        vectorizer = CountVectorizer(
            binary=True,
            ngram_range=(1, 2),
            min_df=LEAST_ROWS,
            token_pattern=WORDS,
            dtype=np.float32,
        )
        truth = frame["label"].to_numpy()
        counts = np.bincount(truth, minlength=len(labels))
        if len(frame) == 0 or not counts.all():
            missing = [name for name, count in zip(labels, counts, strict=True) if not count]
            raise DataError(
                "A linear model needs rows of every label, but there are none of "
                f"{', '.join(missing)}. Give more rows, or leave out --linear."
            )
        try:
            features = vectorizer.fit_transform(frame["text"])
        except ValueError as error:
            raise DataError(
                f"A linear model needs words that stand in {LEAST_ROWS} rows, but of these "
                f"{len(frame)} rows none does. Give more rows, or leave out --linear."
            ) from error
        # Of two labels one head tells them apart.
        told = [1] if len(labels) == 2 else range(len(labels))
        heads = [_head(features, truth == label, STRENGTH) for label in told]
        ratings = []
        if sorted(labels) == [NEGATIVE, POSITIVE] and "star_low" in frame:
            for name, slots in SENTIMENTS.items():
                found, more = _ratings(features, frame, labels.index(name), slots, first=len(heads))
                ratings.append(found)
                heads += more
            if not any(len(found.heads) for found in ratings):
                ratings = []  # no stars are known
        return cls(vectorizer, heads, labels, ratings)

    @property
    def has_stars(self) -> bool:
        return bool(self._ratings)

    def beliefs(self, texts: Sequence[str]) -> Beliefs:
        """What it says of texts; honest only of such as it was not fitted on."""
        scores = expit(self._vectorizer.transform(texts) @ self._weights + self._biases)
        if len(self.labels) == 2:
            labels = np.stack([1 - scores[:, 0], scores[:, 0]], axis=1)
        else:
            each = scores[:, : len(self.labels)]
            labels = each / each.sum(axis=1, keepdims=True)
        if not self._ratings:
            return Beliefs(self.labels, labels, None)
        shares = np.empty((len(labels), len(RATINGS)))
        for half in self._ratings:
            shares[:, half.slots] = half.shares(scores)
        return Beliefs(self.labels, labels, shares)


def cross_fitted(
    frame: pd.DataFrame, labels: Sequence[str], *, group_column: str = "", folds: int = FOLDS
) -> Beliefs:
    """What models say of the rows themselves, each of which saw none of a row's group.

    Args:
        frame: as for LinearModel.fit.
        group_column: column whose equal values stay together; "" groups by text, and so are rows
            without a value.
        folds: models that are fitted, 2 or more.

    Raises:
        DataError: as LinearModel.fit, or there is no such column.
    """
    if group_column and group_column not in frame:
        raise DataError(
            f"group_column must be a column of the data, but {group_column!r} is not among "
            f"{', '.join(map(str, frame.columns))}. Check --group-column."
        )
    keys = pd.Series(list(row_keys(frame)), index=frame.index)
    if group_column:  # rows of a further data set have none
        keys = frame[group_column].astype(str).where(frame[group_column].notna(), keys)
    owners = np.array([_fold(key, folds) for key in keys], dtype=np.int64)
    order, parts = [], []
    for fold in np.unique(owners):
        inside = np.flatnonzero(owners == fold)
        model = LinearModel.fit(frame[owners != fold], labels)
        order.append(inside)
        parts.append(model.beliefs(frame["text"].iloc[inside].tolist()))
    return concatenated(parts).rows(np.argsort(np.concatenate(order)))


def _ratings(
    features: Any, frame: pd.DataFrame, label: int, slots: slice, *, first: int
) -> tuple[_Ratings, list[tuple[NDArray[np.float64], float]]]:
    """The five ratings of a label, and its heads.

    Args:
        first: the number of its first head among all.
    """
    ratings = np.asarray(RATINGS)[slots]
    lowest, highest = int(ratings[0]), int(ratings[-1])
    stars = frame[["star_low", "star_high"]].to_numpy()
    # A rating of 3 of 5 covers 5 and 6; the label says which side of the middle it is on.
    known = (frame["label"].to_numpy() == label) & (stars[:, 0] > 0)
    known &= (stars[:, 0] <= highest) & (stars[:, 1] >= lowest)
    rows, (low, high) = np.flatnonzero(known), stars[known].clip(lowest, highest).T
    thresholds, heads = [], []
    for threshold in range(lowest, highest):
        above, told = low > threshold, (low > threshold) | (high <= threshold)
        if 0 < above[told].sum() < told.sum():
            thresholds.append(threshold)
            heads.append(_head(features[rows[told]], above[told], STAR_STRENGTH))
    # IMDB has no 5 and 6: they get nothing where a rating beside them in the band occurs.
    occurs = np.array([((low <= rating) & (rating <= high)).any() for rating in ratings])
    bands = np.searchsorted(thresholds, ratings, side="left")
    spread = np.zeros((len(thresholds) + 1, len(bands)))
    for band in range(len(spread)):
        inside = bands == band
        chosen = inside & occurs if (inside & occurs).any() else inside
        spread[band, chosen] = 1 / chosen.sum()
    return _Ratings(slots, np.arange(first, first + len(heads)), spread), heads


def _head(
    features: Any, truth: NDArray[np.bool_], strength: float
) -> tuple[NDArray[np.float64], float]:
    """Weights, shape (features,), and bias of a logistic regression, its input's weights folded in.

    Args:
        features: sparse, shape (rows, features), of 0 and 1.
        truth: shape (rows,), both values at least once.
        strength: the inverse of its regularization.
    """
    inside, outside = (
        np.asarray(features[rows].sum(axis=0), dtype=np.float64).ravel() + SMOOTHING
        for rows in (truth, ~truth)
    )
    ratio = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    weighted = features.multiply(ratio.astype(np.float32)).tocsr()
    fitted = LogisticRegression(C=strength, solver="liblinear", max_iter=1000).fit(weighted, truth)
    return ratio * fitted.coef_[0], float(fitted.intercept_[0])


def _fold(key: str, folds: int) -> int:
    """0 .. folds - 1, by the key alone."""
    return int.from_bytes(hashlib.sha256(f"fold:{key}".encode()).digest()[:8]) % folds
