"""Whether two groups differ by more than chance: paired tests, by row or by seed.

By row, accuracy is tested by McNemar's exact test (McNemar 1947; Dietterich 1998,
10.1162/089976698300017197) and all else by the paired bootstrap (Efron and Tibshirani 1993; its
null distribution is that of the resampled differences about their observed value,
Berg-Kirkpatrick et al. 2012, aclanthology.org/D12-1091). By seed, under six pairs are tested by a
paired t-test, which takes the differences to be normal, and more by permuting their signs (exact
up to 14 pairs).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from classifier.versions import paired
from training.comparison.groups import Group
from training.comparison.predictions import ComparisonError, Run
from training.evaluation.metrics import MEASURES

# Under so few pairs of seeds the permutation test can never give p < 0.05.
PERMUTED_PAIRS = 6
SIGNS = 2**14  # permutations; up to 14 pairs have no more, and the test is exact
TESTED = tuple(name for name in MEASURES if name != "majority_baseline")

Method = Literal["McNemar exact", "paired bootstrap", "paired t-test", "paired permutation"]


@dataclass(frozen=True)
class PairedTest:
    """Whether a measure differs between two groups by more than chance."""

    measure: str
    difference: float
    """The second's minus the first's."""
    interval: tuple[float, float] | None
    """95 % confidence interval of it, where the method gives one."""
    p_value: float
    """Two-sided, 0..1, for no difference at all; not corrected for the number of tests."""
    method: Method


def row_tests(first: Run, second: Run, *, resamples: int, seed: int) -> tuple[PairedTest, ...]:
    """A test of each measure of two runs, by the rows that they were measured on."""
    rows = len(first.label_ids)
    observed = _differences(first, second, np.arange(rows))
    generator = np.random.default_rng(seed)
    drawn = [
        _differences(first, second, generator.integers(rows, size=rows)) for _ in range(resamples)
    ]
    p_of_accuracy = mcnemar(
        *(run.probabilities.argmax(axis=1) == run.label_ids for run in (first, second))
    )
    tests = []
    for name, difference in observed.items():
        values = np.asarray([resample[name] for resample in drawn if name in resample])
        # A hair of tolerance: sums in another order must not make equal differences unequal.
        beyond = int((np.abs(values - difference) >= abs(difference) - 1e-12).sum())
        exact = name == "accuracy"
        tests.append(
            PairedTest(
                measure=name,
                difference=difference,
                interval=(float(np.quantile(values, 0.025)), float(np.quantile(values, 0.975)))
                if len(values)
                else None,
                p_value=p_of_accuracy if exact else (beyond + 1) / (len(values) + 1),
                method="McNemar exact" if exact else "paired bootstrap",
            )
        )
    return tuple(tests)


def seed_tests(
    first: Group,
    second: Group,
    measured: Mapping[str, Sequence[Mapping[str, float]]],
    *,
    seed: int,
) -> tuple[PairedTest, ...]:
    """A test of each measure of two groups, by the seeds of their runs.

    Args:
        measured: by name of the group, the measures of each of its runs.

    Raises:
        ComparisonError: the seeds do not pair.
    """
    pairs = [
        (measured[first.name][before], measured[second.name][after])
        for before, after in _paired_by_seed(first, second)
    ]
    return tuple(
        _test_of_differences(
            name, np.asarray([after[name] - before[name] for before, after in pairs]), seed=seed
        )
        for name in TESTED
        if all(name in measures for pair in pairs for measures in pair)
    )


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> float:
    """Two-sided p of McNemar's exact test.

    Args:
        first_right: shape (rows,), where the first model is right.
        second_right: the same of the second.
    """
    return paired.mcnemar(
        int((first_right & ~second_right).sum()), int((~first_right & second_right).sum())
    )


def _differences(first: Run, second: Run, rows: NDArray[np.int64]) -> dict[str, float]:
    before, after = first.measures(rows), second.measures(rows)
    return {name: after[name] - before[name] for name in TESTED if name in before and name in after}


def _test_of_differences(name: str, differences: NDArray[np.float64], *, seed: int) -> PairedTest:
    mean = float(differences.mean())
    # Differences that are all alike have no variance, and the t-test divides by it.
    if len(differences) >= PERMUTED_PAIRS or np.ptp(differences) < 1e-12:
        permuted = stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=SIGNS, rng=seed
        )
        return PairedTest(name, mean, None, float(permuted.pvalue), "paired permutation")
    result = stats.ttest_1samp(differences, 0.0)
    low, high = result.confidence_interval(0.95)
    return PairedTest(name, mean, (float(low), float(high)), float(result.pvalue), "paired t-test")


def _paired_by_seed(first: Group, second: Group) -> list[tuple[int, int]]:
    """Indices of the runs of both groups that share a seed."""
    seeds = [[run.seed for run in group.runs] for group in (first, second)]
    each_once = all(len(set(found)) == len(found) and None not in found for found in seeds)
    if not each_once or set(seeds[0]) != set(seeds[1]):
        shown = " and ".join(
            f"{group.name} has {', '.join('none' if seed is None else str(seed) for seed in found)}"
            for group, found in zip((first, second), seeds, strict=True)
        )
        raise ComparisonError(
            f"Groups of runs are compared by seed, so both have the same seeds, each once, but "
            f"{shown}. Train the missing ones (finetune --seeds ...), or leave runs out."
        )
    return [(index, seeds[1].index(seed)) for index, seed in enumerate(seeds[0])]
