"""Many beliefs as one: a weighted mean of log-probabilities, and how good it is.

That mean, made to sum to 1, is the logarithmic opinion pool (Genest and Zidek 1986, Combining
Probability Distributions, doi:10.1214/ss/1177013825). Weights that sum to less than 1 soften it,
as a temperature above 1 does.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from training.ensemble.beliefs import SENTIMENTS, Beliefs

LEAST = 1e-6  # a probability below it counts as it: one member alone never rules a label out
MOST_WEIGHT = 20.0


def pool(
    beliefs: Sequence[Beliefs], weights: Sequence[float], star_weights: Sequence[float]
) -> Beliefs:
    """What all say together.

    Args:
        beliefs: of the same texts and labels; one at least.
        weights: of each, 0 or more, not all 0: the exponents of its P(label).
        star_weights: the same of its shares; those of one that knows no ratings are not read.
    """
    names = beliefs[0].names
    logs = _logs([one.in_order(names).labels for one in beliefs])
    labels = softmax(np.tensordot(np.asarray(weights), logs, axes=1), axis=1)
    knowing = [index for index, one in enumerate(beliefs) if one.shares is not None]
    if not knowing:
        return Beliefs(names, labels, None)
    exponents = np.asarray([star_weights[index] for index in knowing])
    mixed = np.tensordot(exponents, _shares([beliefs[index] for index in knowing]), axes=1)
    shares = np.empty_like(mixed)
    for ratings in SENTIMENTS.values():
        shares[:, ratings] = softmax(mixed[:, ratings], axis=1)
    return Beliefs(names, labels, shares)


def fit_weights(beliefs: Sequence[Beliefs], label_ids: NDArray[np.int64]) -> list[float]:
    """The weights of labels under which the true ones are likeliest: least log loss.

    Args:
        beliefs: of rows that none of the members was trained on, their labels in one order.
        label_ids: shape (rows,), the true labels.

    Returns:
        One a member, 0 or more; their sum is the inverse of a temperature.
    """
    logs = _logs([one.labels for one in beliefs])
    allowed = np.zeros(logs.shape[1:], dtype=bool)
    allowed[np.arange(len(label_ids)), label_ids] = True
    return _likeliest(logs, allowed)


def fit_star_weights(
    beliefs: Sequence[Beliefs], low: NDArray[np.int64], high: NDArray[np.int64]
) -> list[float]:
    """The weights of shares under which the stars that people gave are likeliest.

    Args:
        beliefs: as for fit_weights.
        low, high: shape (rows,), the ratings that a row's stars cover, both ends in; 0 for none.

    Returns:
        One a member, 0 for one that knows no ratings; all 0 where no row tells any.
    """
    weights = [0.0] * len(beliefs)
    knowing = [index for index, one in enumerate(beliefs) if one.shares is not None]
    if not knowing:
        return weights
    logs = _shares([beliefs[index] for index in knowing])
    scale = np.arange(1, logs.shape[2] + 1)
    allowed = (low[:, None] <= scale) & (scale <= high[:, None])
    parts = []
    for ratings in SENTIMENTS.values():
        inside = allowed[:, ratings].any(axis=1) & ~allowed[:, ratings].all(axis=1)
        parts.append((logs[:, inside, ratings], allowed[inside, ratings]))
    joined = np.concatenate([part for part, _ in parts], axis=1)
    if joined.shape[1]:
        found = _likeliest(joined, np.concatenate([part for _, part in parts]))
        for index, weight in zip(knowing, found, strict=True):
            weights[index] = weight
    return weights


def _likeliest(logs: NDArray[np.float64], allowed: NDArray[np.bool_]) -> list[float]:
    """Weights, 0 or more, of least mean -log P(allowed).

    Args:
        logs: shape (members, rows, classes).
        allowed: shape (rows, classes), the classes that are true, one at least in each row.
    """

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        scores = np.tensordot(weights, logs, axes=1)
        among = np.where(allowed, scores, -np.inf)
        value = logsumexp(scores, axis=1) - logsumexp(among, axis=1)
        pull = softmax(scores, axis=1) - softmax(among, axis=1)
        return float(value.mean()), np.tensordot(logs, pull, axes=2) / len(allowed)

    start = np.full(len(logs), 1 / len(logs))
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, MOST_WEIGHT)] * len(logs)
    )
    weights: NDArray[np.float64] = found.x if found.x.sum() > 0 else start
    return [float(weight) for weight in weights]


def _logs(probabilities: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log(np.maximum(np.stack(probabilities), LEAST))
    return logs


def _shares(beliefs: Sequence[Beliefs]) -> NDArray[np.float64]:
    return _logs([one.shares for one in beliefs if one.shares is not None])
