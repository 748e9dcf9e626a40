"""Whether one model is better than another, or whether it was luck: runs on the same test rows."""

import hashlib
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from training.metrics import MEASURES, classification_metrics, split_measures

PREDICTIONS = "predictions.parquet"
RESAMPLES = 1000
# Under so few pairs of seeds the permutation test can never give p < 0.05.
PERMUTED_PAIRS = 6
SIGNS = 2**14  # permutations; up to 14 pairs have no more, and the test is exact
PROBABILITY = "probability_"
TESTED = tuple(name for name in MEASURES if name != "majority_baseline")

Method = Literal["McNemar exact", "paired bootstrap", "paired t-test", "paired permutation"]


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


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone, or that the user put together."""

    name: str
    runs: tuple[Run, ...]

    def measures(self) -> list[dict[str, float]]:
        """The flat measures of each run."""
        return [
            classification_metrics(run.probabilities, run.label_ids, run.labels)
            for run in self.runs
        ]


@dataclass(frozen=True)
class Spread:
    """A measure over the runs of a group."""

    mean: float
    deviation: float | None
    """Sample standard deviation (n - 1); None of a single run."""

    def __str__(self) -> str:
        shown = f"{self.mean:.4f}"
        return shown if self.deviation is None else f"{shown} ± {self.deviation:.4f}"


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


@dataclass(frozen=True)
class Comparison:
    groups: tuple[Group, ...]
    spreads: dict[str, dict[str, Spread]]
    """By measure and name of the group; a measure that is not defined for a group is left out."""
    tests: dict[tuple[str, str], tuple[PairedTest, ...]]
    """Of the first group against each other one, by their names."""

    def to_markdown(self) -> str:
        """Tables for a page such as docs/results.md."""
        rows = len(self.groups[0].runs[0].label_ids)
        heads = [f"{group.name} ({_count(group)})" for group in self.groups]
        spreads = [
            [measure, *(str(by_group.get(group.name, "")) for group in self.groups)]
            for measure, by_group in self.spreads.items()
        ]
        parts = [f"{rows:,} test rows each.", _table(["measure", *heads], spreads)]
        for (first, second), tests in self.tests.items():
            body = [
                [
                    test.measure,
                    f"{test.difference:+.4f}",
                    "{:+.4f} .. {:+.4f}".format(*test.interval) if test.interval else "",
                    f"{test.p_value:.4f}",
                    test.method,
                ]
                for test in tests
            ]
            parts.append(f"{second} against {first}:")
            parts.append(_table(["measure", "difference", "95 % interval", "p", "test"], body))
        count = sum(map(len, self.tests.values()))
        if count:
            parts.append(f"p is two-sided and not corrected for these being {count} tests.")
        return "\n\n".join(parts) + "\n"


def save_predictions(
    path: Path,
    frame: pd.DataFrame,
    *,
    labels: Sequence[str],
    label_ids: NDArray[np.int64],
    probabilities: NDArray[np.float64],
) -> None:
    """Write what a model said of each row, so that it can be compared with others on the same.

    The Parquet file has `row` (a digest of the row's text, never the text), `label` (the true
    one) and `probability_X` for each label X, in the order of `frame`. It appears whole or not
    at all.

    Args:
        frame: rows with `text` and, for pairs, `text_pair`.
        labels: the model's labels, the columns of `probabilities`.
        label_ids: shape (rows,), the true labels as ids into `labels`.
        probabilities: shape (rows, labels).
    """
    texts = [frame[column] for column in ("text", "text_pair") if column in frame]
    columns: dict[str, Any] = {
        "row": [row_digest(*row) for row in zip(*texts, strict=True)],
        "label": [labels[label] for label in label_ids],
    }
    for index, label in enumerate(labels):
        columns[PROBABILITY + label] = probabilities[:, index]
    draft = path.with_name(f".{path.name}.draft")
    pd.DataFrame(columns).to_parquet(draft, index=False)
    os.replace(draft, path)


def row_digest(*texts: str) -> str:
    """32 hexadecimal digits that tell a row from all others."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]


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
    )


def group_runs(arguments: Sequence[str], *, load: Callable[[str], Run]) -> list[Group]:
    """Groups out of `name=run1,run2` as they are given, and of single runs by their parameters.

    Single runs whose parameters are the same but for the seed make one group, named by the
    parameters in which it differs from the other such groups, or by its first run.

    Raises:
        ComparisonError: a run or a name is given twice, or a group is empty.
    """
    named: list[Group] = []
    single: list[Run] = []
    for argument in arguments:
        name, equals, members = argument.partition("=")
        if equals:
            runs = tuple(load(run.strip()) for run in members.split(",") if run.strip())
            if not name or not runs:
                raise ComparisonError(
                    f"A group is given as name=run1,run2, but it is {argument!r}. "
                    "Give it a name and runs."
                )
            named.append(Group(name, runs))
        else:
            single.append(load(argument))
    groups = [*named, *_grouped(single)]
    for what, names in (
        ("run", [run.name for group in groups for run in group.runs]),
        ("group's name", [group.name for group in groups]),
    ):
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ComparisonError(
                f"Each {what} is given once, but {', '.join(twice)} is given again. Remove it."
            )
    return groups


def compare(groups: Sequence[Group], *, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Mean and deviation of each measure over each group, and paired tests against the first.

    Two single runs are compared by row: accuracy by McNemar's exact test (McNemar 1947;
    Dietterich 1998, 10.1162/089976698300017197), all else by the paired bootstrap
    (Efron and Tibshirani 1993; its null distribution is that of the resampled differences about
    their observed value, Berg-Kirkpatrick et al. 2012, aclanthology.org/D12-1091). Groups of
    several runs are compared by seed: by a paired t-test under six pairs, which takes the
    differences to be normal, else by permuting their signs (exact up to 14 pairs).

    Args:
        resamples: of the rows in the bootstrap; p is never below 1 / (resamples + 1).
        seed: of the resampling.

    Raises:
        ComparisonError: fewer than one group, other rows, other labels, or seeds that do not
            pair.
    """
    if not groups:
        raise ComparisonError("A comparison needs runs, but it has none. Name one or more.")
    first = groups[0]
    for group in groups:
        for run in group.runs:
            _require_same_rows(first.runs[0], run)
    measured = {group.name: group.measures() for group in groups}
    names = list(dict.fromkeys(key for runs in measured.values() for row in runs for key in row))
    spreads = {
        name: {
            group: _spread([row[name] for row in rows])
            for group, rows in measured.items()
            if all(name in row for row in rows)
        }
        for name in names
        if name != "rows"
    }
    tests = {
        (first.name, other.name): (
            _tests_by_row(first.runs[0], other.runs[0], resamples=resamples, seed=seed)
            if len(first.runs) == len(other.runs) == 1
            else _tests_by_seed(first, other, measured, seed=seed)
        )
        for other in groups[1:]
    }
    return Comparison(tuple(groups), spreads, tests)


def mcnemar(first_right: NDArray[np.bool_], second_right: NDArray[np.bool_]) -> float:
    """Two-sided p of McNemar's exact test.

    Args:
        first_right: shape (rows,), where the first model is right.
        second_right: the same of the second.
    """
    only_first = int((first_right & ~second_right).sum())
    only_second = int((~first_right & second_right).sum())
    if only_first + only_second == 0:
        return 1.0
    return float(stats.binomtest(only_first, only_first + only_second, 0.5).pvalue)


def _tests_by_row(first: Run, second: Run, *, resamples: int, seed: int) -> tuple[PairedTest, ...]:
    observed = _differences(first, second, np.arange(len(first.label_ids)))
    generator = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {name: [] for name in observed}
    for _ in range(resamples):
        rows = generator.integers(len(first.label_ids), size=len(first.label_ids))
        for name, value in _differences(first, second, rows).items():
            drawn[name].append(value)
    p_of_accuracy = mcnemar(
        *(run.probabilities.argmax(axis=1) == run.label_ids for run in (first, second))
    )
    tests = []
    for name, difference in observed.items():
        values = np.asarray(drawn[name])
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


def _differences(first: Run, second: Run, rows: NDArray[np.int64]) -> dict[str, float]:
    before, after = (
        split_measures(run.probabilities[rows], run.label_ids[rows], run.labels)
        for run in (first, second)
    )
    return {name: after[name] - before[name] for name in TESTED if name in before and name in after}


def _tests_by_seed(
    first: Group,
    second: Group,
    measured: Mapping[str, Sequence[Mapping[str, float]]],
    *,
    seed: int,
) -> tuple[PairedTest, ...]:
    pairs = _paired_by_seed(first, second)
    tests = []
    for name in TESTED:
        if not all(name in row for group in (first, second) for row in measured[group.name]):
            continue
        differences = np.asarray(
            [measured[second.name][b][name] - measured[first.name][a][name] for a, b in pairs]
        )
        tests.append(_test_of_differences(name, differences, seed=seed))
    return tuple(tests)


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


def _require_same_rows(first: Run, other: Run) -> None:
    if other.labels != first.labels:
        raise ComparisonError(
            f"Runs are compared on the same labels, but {first.name} has "
            f"{', '.join(first.labels)} and {other.name} {', '.join(other.labels)}. "
            "Compare runs on the same data set."
        )
    rows = [list(zip(run.digests, run.label_ids.tolist(), strict=True)) for run in (first, other)]
    if rows[0] != rows[1]:
        shared = len(set(rows[0]) & set(rows[1]))
        raise ComparisonError(
            f"Runs are compared on the same test rows, but {first.name} was measured on "
            f"{len(rows[0]):,} and {other.name} on {len(rows[1]):,}, of which {shared:,} are the "
            f"same. Measure both on the same: manage.py evaluate --model ... --dataset ... "
            f"--report ..."
        )


def _spread(values: Sequence[float]) -> Spread:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return Spread(float(np.mean(values)), deviation)


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


def _grouped(runs: Sequence[Run]) -> list[Group]:
    """Runs with equal parameters together; those without parameters each alone."""
    members: dict[str, list[Run]] = {}
    for run in runs:
        key = json.dumps(run.parameters, sort_keys=True) if run.parameters else f"run {run.name}"
        members.setdefault(key, []).append(run)
    groups = list(members.values())
    parameters = [group[0].parameters for group in groups]
    differing = [
        key
        for key in dict.fromkeys(itertools.chain.from_iterable(parameters))
        if len({json.dumps(each.get(key)) for each in parameters}) > 1
    ]
    result = []
    for group in groups:
        found = group[0].parameters
        told = ", ".join(f"{key}={found[key]}" for key in differing if key in found)
        result.append(Group(told if told and len(group) > 1 else group[0].name, tuple(group)))
    return result


def _count(group: Group) -> str:
    return "1 run" if len(group.runs) == 1 else f"{len(group.runs)} runs"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with its columns aligned, so that it reads well unrendered too."""
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
