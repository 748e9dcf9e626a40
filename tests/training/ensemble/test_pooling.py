import numpy as np
import pytest
from numpy.typing import NDArray

from training.ensemble.beliefs import Beliefs, concatenated
from training.ensemble.pooling import fit_star_weights, fit_weights, pool

NAMES = ("NEGATIVE", "POSITIVE")


def beliefs(positive: list[float] | NDArray[np.float64], *, stars: bool = False) -> Beliefs:
    p = np.asarray(positive, dtype=np.float64)
    shares = np.full((len(p), 10), 0.2) if stars else None
    return Beliefs(NAMES, np.stack([1 - p, p], axis=1), shares)


def noisy(truth: NDArray[np.int64], *, noise: float, seed: int) -> Beliefs:
    """One that is calibrated: its log-odds are right but for noise of that deviation."""
    rng = np.random.default_rng(seed)
    seen = (2 * truth - 1) + noise * rng.standard_normal(len(truth))
    return beliefs(1 / (1 + np.exp(-2 * seen / noise**2)))


def test_one_alone_says_what_it_says() -> None:
    one = beliefs([0.1, 0.5, 0.93], stars=True)
    said = pool([one], [1.0], [1.0])
    assert said.labels == pytest.approx(one.labels)
    assert said.stars == pytest.approx(one.stars)


def test_log_odds_are_averaged() -> None:
    said = pool([beliefs([0.9]), beliefs([0.5])], [0.5, 0.5], [0, 0])
    assert said.labels[0, 1] == pytest.approx(0.75)  # odds 9 and 1: their geometric mean is 3
    assert said.shares is None


def test_weights_below_one_soften() -> None:
    assert pool([beliefs([0.9])], [0.5], [0]).labels[0, 1] == pytest.approx(0.75)


def test_a_certainty_of_one_rules_nothing_out() -> None:
    said = pool([beliefs([1.0]), beliefs([0.01])], [0.1, 0.9], [0, 0])
    assert said.labels[0, 1] < 0.5


def test_ratings_are_those_of_the_members_that_know_them_under_the_label_of_all() -> None:
    shares = np.array([[0, 0, 0, 1, 0, 0, 0, 0, 0.5, 0.5]])
    knowing = Beliefs(NAMES, np.array([[0.5, 0.5]]), shares)
    said = pool([beliefs([0.9]), knowing], [0.5, 0.5], [0.0, 1.0])
    assert said.stars is not None
    assert said.stars[0, 3] == pytest.approx(0.25, abs=1e-4)
    assert said.stars[0, 8:] == pytest.approx([0.375, 0.375], abs=1e-4)
    assert said.stars.sum() == pytest.approx(1)


def test_labels_in_another_order_are_the_same_labels() -> None:
    first, second = beliefs([0.8, 0.3]), beliefs([0.6, 0.1])
    straight = pool([first, second], [0.5, 0.5], [0, 0])
    turned = pool([first, second.in_order(NAMES[::-1])], [0.5, 0.5], [0, 0])
    assert turned.labels == pytest.approx(straight.labels)


def test_fitted_weights_are_better_than_each_alone_and_favour_the_better_one() -> None:
    truth = np.random.default_rng(0).integers(0, 2, 4000)
    said = [noisy(truth, noise=1.0, seed=1), noisy(truth, noise=2.0, seed=2)]
    weights = fit_weights(said, truth)
    assert weights[0] == pytest.approx(1, abs=0.1)  # independent: all the evidence adds up
    assert weights[1] == pytest.approx(1, abs=0.2)

    def loss(*given: float) -> float:
        together = pool(said, given, [0, 0]).labels
        return -float(np.log(together[np.arange(len(truth)), truth]).mean())

    assert loss(*weights) < min(loss(1, 0), loss(0, 1), loss(0.5, 0.5))


def test_one_that_guesses_weighs_nothing_and_one_that_boasts_is_softened() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 4000)
    honest = noisy(truth, noise=1.5, seed=1)
    boasting = pool([honest], [3.0], [0])
    weights = fit_weights([boasting, beliefs(rng.uniform(size=len(truth)))], truth)
    assert weights == pytest.approx([1 / 3, 0], abs=0.05)


def test_star_weights_are_fitted_within_the_sentiment() -> None:
    """One knows which of 9 and 10 it is, one knows nothing, one has no ratings at all."""
    rng = np.random.default_rng(0)
    truth = rng.choice([9, 10], 2000)
    right = np.where(rng.uniform(size=len(truth)) < 0.8, truth, 19 - truth)
    shares = np.full((len(truth), 10), 1e-3)
    shares[np.arange(len(truth)), right - 1] = 1
    half = np.full(len(truth), 0.5)
    knowing = Beliefs(NAMES, beliefs(half).labels, shares)
    weights = fit_star_weights([beliefs(half), knowing, beliefs(half, stars=True)], truth, truth)
    assert weights[0] == 0
    assert weights[1] > 0.1
    expected = pool([beliefs(half), knowing], [0.5, 0.5], weights[:2]).shares
    assert expected is not None
    assert expected[:, 8:].max(axis=1).mean() == pytest.approx(0.8, abs=0.03)


def test_stars_that_tell_nothing_within_a_sentiment_fit_no_weights() -> None:
    low, high = np.array([0, 1]), np.array([0, 5])
    assert fit_star_weights([beliefs([0.2, 0.3], stars=True)], low, high) == [0.0]


def test_parts_are_put_together_and_taken_apart() -> None:
    whole = concatenated([beliefs([0.1, 0.2], stars=True), beliefs([0.3], stars=True)])
    assert whole.labels[:, 1] == pytest.approx([0.1, 0.2, 0.3])
    assert whole.rows([2, 0]).labels[:, 1] == pytest.approx([0.3, 0.1])
    assert concatenated([beliefs([0.1], stars=True), beliefs([0.2])]).shares is None
