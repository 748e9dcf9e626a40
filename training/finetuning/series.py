"""The same run with several seeds: what a difference between two of them is worth."""

import glob
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from classifier.messages import message
from training.config import ConfigError, FinetuningConfig
from training.finetuning.run import FinetuningResult
from training.learning.distribution import process_count
from training.reporting.report import REPORT
from training.runs.records import recorded_config

logger = logging.getLogger(__name__)


def run_name(series: str, seed: int) -> str:
    return f"{series}-seed{seed}"


def require_series(config: FinetuningConfig, seeds: Sequence[int]) -> None:
    """Refuse what cannot be done with several seeds.

    Raises:
        ConfigError: a seed is negative or given twice, the runs would push over each other, or
            there are several processes.
    """
    if len(set(seeds)) < len(seeds) or min(seeds) < 0:
        raise ConfigError(
            message(
                "Each seed is 0 or more and given once, but they are {names}. Mend --seeds.",
                names=", ".join(map(str, seeds)),
            )
        )
    if config.publishing.push_to_hub:
        raise ConfigError(
            message(
                "The runs of several seeds would push one over the other, but push_to_hub is "
                "{push_to_hub!r}. Leave it out, then choose one: manage.py push_to_hub RUN "
                "--repo user/name.",
                push_to_hub=config.publishing.push_to_hub,
            )
        )
    if process_count() > 1:
        raise ConfigError(
            message(
                "Several seeds are trained one after the other by one process, but there are "
                "{process_count}. Launch each seed by itself, with --seed and --name.",
                process_count=process_count(),
            )
        )


def recorded_series(runs_dir: Path, series: str, seeds: Sequence[int]) -> FinetuningConfig:
    """The parameters that the first run found of a series was started with.

    Raises:
        ConfigError: none of them was started.
    """
    started = [seed for seed in seeds if _started(runs_dir, run_name(series, seed))]
    name = run_name(series, started[0] if started else seeds[0])
    return recorded_config(FinetuningConfig, runs_dir, name)


def run_series(
    config: FinetuningConfig,
    seeds: Sequence[int],
    *,
    series: str,
    models_dir: Path,
    runs_dir: Path,
    resume: bool,
    run: Callable[[FinetuningConfig, str, bool], FinetuningResult],
) -> list[FinetuningResult]:
    """One run a seed, in the order of `seeds`.

    Args:
        series: the run of a seed is called by run_name(series, seed).
        resume: runs that ended are left as they are, one that was stopped goes on, the others
            start.
        run: fine-tunes with these parameters, under this name, resuming or not.
    """
    results = []
    for seed in seeds:
        name = run_name(series, seed)
        if resume and (runs_dir / name / REPORT).is_file():
            facts = json.loads((models_dir / name / "metrics.json").read_text(encoding="utf-8"))
            results.append(FinetuningResult(models_dir / name, facts["metrics"]))
            logger.info("%s has ended before", name)
            continue
        seeded = replace(config, training=replace(config.training, seed=seed))
        results.append(run(seeded, name, resume and _started(runs_dir, name)))
    return results


def has_begun(runs_dir: Path, series: str) -> bool:
    """Whether a run of the series was started, with whatever seed."""
    return any(runs_dir.glob(f"{glob.escape(series)}-seed*/config.json"))


def _started(runs_dir: Path, name: str) -> bool:
    return (runs_dir / name / "config.json").is_file()
