"""Groups of runs: what is compared, as the user put it together or by the runs' parameters."""

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.comparison.predictions import ComparisonError, Run
from training.evaluation.metrics import classification_metrics


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seed alone, or that the user put together."""

    name: str
    runs: tuple[Run, ...]

    def measures(self) -> list[dict[str, float]]:
        """The flat measures of each run."""
        return [
            classification_metrics(run.probabilities, run.label_ids, run.labels)
            | (run.ratings.measures() if run.ratings else {})
            for run in self.runs
        ]


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


def _grouped(runs: Sequence[Run]) -> list[Group]:
    """Runs with equal parameters together; those without parameters each alone."""
    members: dict[str, list[Run]] = {}
    for run in runs:
        key = json.dumps(run.parameters, sort_keys=True) if run.parameters else f"run {run.name}"
        members.setdefault(key, []).append(run)
    parameters = [group[0].parameters for group in members.values()]
    differing = [
        key
        for key in dict.fromkeys(itertools.chain.from_iterable(parameters))
        if len({json.dumps(each.get(key)) for each in parameters}) > 1
    ]
    groups = []
    for found, group in zip(parameters, members.values(), strict=True):
        told = ", ".join(f"{key}={found[key]}" for key in differing if key in found)
        groups.append(Group(told if told and len(group) > 1 else group[0].name, tuple(group)))
    return groups
