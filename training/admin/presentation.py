"""What the pages of a run say: its state in a sentence, its numbers as text, its tables."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from classifier.languages import number
from classifier.messages import message, told
from training.config import SECTIONS
from training.data.provenance import SOURCES, sentences
from training.forms import flat, recipe_values
from training.jobs.stages import STAGES
from training.models import TrainingRun
from training.parameter_names import SECTION_TITLES, label_of
from training.recipes import recipe_names
from training.reporting.charts import is_number
from training.runs.names import NAME
from training.tracking import tracking_uri
from training.tracking.redaction import redacted, without_password
from training.tracking.spool import Spool

PREFIXES = ("untuned", "train", "validation", "test")
# As training.evaluation.metrics, which imports scikit-learn; in the order of the tables.
MEASURES = (
    *("rows", "loss", "accuracy", "f1_macro", "f1", "roc_auc", "average_precision"),
    *("calibration_error", "majority_baseline"),
    *("rating_mae", "rating_exact", "rating_within_one", "rating_spearman"),
    *("rating_coverage", "rating_width"),
)
MEASURE_NAMES = {
    "rows": _("rows"),
    "loss": _("loss"),
    "accuracy": _("accuracy"),
    "average_precision": _("average precision"),
    "calibration_error": _("calibration error"),
    "majority_baseline": _("always the commonest label"),
    "f1_macro": _("macro F1"),
    "f1": "F1",
    "roc_auc": "ROC AUC",
    "rating_mae": _("rating: mean absolute error"),
    "rating_exact": _("rating: exactly right"),
    "rating_within_one": _("rating: within one"),
    "rating_spearman": _("rating: rank correlation"),
    "rating_coverage": _("rating: interval covers"),
    "rating_width": _("rating: interval width"),
}
SPLITS = {
    "untuned": message("untuned"),
    "train": message("train"),
    "validation": message("validation"),
    "test": message("test"),
}
LONG_WAIT = timedelta(seconds=45)  # after which a waiting run says what it may wait for
MARKS = {
    "queued": "…",
    "running": "▸",
    "paused": "‖",
    "succeeded": "✓",
    "failed": "✕",
    "cancelled": "■",
}


@dataclass(frozen=True)
class Table:
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    """Name and cells of each."""


@dataclass(frozen=True)
class Provenance:
    """How many rows of a run came from where, and what is to be said of them."""

    table: Table
    sentences: list[str]


@dataclass(frozen=True)
class Parameter:
    label: str
    name: str
    value: str
    changed: bool
    """Whether it differs from the recipe's, or with no recipe from its default."""


@dataclass(frozen=True)
class Tracking:
    """Where a run is found in MLflow."""

    experiment: str
    """Empty where the run is not tracked."""
    url: str
    """Of the run or the server; empty where it is no server."""


def status_of(run: TrainingRun) -> str:
    """The status in a word or two, as the pill shows it."""
    if not run.is_over and run.cancel_requested:
        return gettext("cancelling")
    return str(run.get_status_display()).lower()


def status_pill(run: TrainingRun) -> SafeString:
    return format_html(
        '<span class="run-status run-status-{}"><span aria-hidden="true">{}</span> {}</span>',
        run.status,
        MARKS[run.status],
        status_of(run),
    )


def state_sentence(run: TrainingRun) -> str:
    """What the run is doing, or how it ended, and what may be done about it."""
    if run.status == run.Status.QUEUED:
        if run.attempt:
            return gettext("It waits for a worker, to go on from its last good checkpoint.")
        if timezone.now() - run.queued_at > LONG_WAIT:
            return gettext(
                "It still waits for a worker: those that there are are busy, or none is running. "
                "“make run” starts one."
            )
        return gettext("It waits for a worker.")
    if run.status == run.Status.RUNNING:
        return _running(run)
    if run.status == run.Status.PAUSED:
        return gettext(
            "It is paused. Once there is room on the disk it goes on by itself, from its last good "
            "checkpoint."
        )
    if run.status == run.Status.SUCCEEDED:
        return gettext("Its model is ready to serve.")
    if run.status == run.Status.FAILED:
        return gettext("It failed after {duration}.").format(duration=duration_of(run))
    if run.started_at is None:
        return gettext("It was cancelled before it began.")
    return gettext("It was cancelled after {duration}.").format(duration=duration_of(run))


def _running(run: TrainingRun) -> str:
    if run.cancel_requested:
        return gettext("It is being cancelled and ends with its current step.")
    if run.stopping:
        return gettext(
            "Its worker is being stopped. It keeps a checkpoint and goes on with the next."
        )
    if not run.stage:
        return gettext("It is being prepared.")
    return f"{_sentence(told(STAGES.get(run.stage, run.stage)))}."


def state_token(run: TrainingRun) -> str:
    """Differs where more of a page has changed than its numbers."""
    return f"{run.status}-{run.attempt}-{run.cancel_requested:d}{run.stopping:d}"


def log_token(run: TrainingRun) -> str:
    return f"{zlib.crc32(run.log_tail.encode()):08x}"


def percent_of(run: TrainingRun) -> int | None:
    """0..100; None while the number of steps is not known."""
    return min(100, 100 * run.done // run.total) if run.total else None


def duration_of(run: TrainingRun) -> str:
    """From its start to its end or to now; empty before its start."""
    if run.started_at is None:
        return ""
    end: datetime = run.finished_at or timezone.now()
    return spelled((end - run.started_at).total_seconds())


def spelled(seconds: float) -> str:
    """A duration in its two largest units."""
    whole = max(0, round(seconds))
    if whole < 60:
        return gettext("{seconds} s").format(seconds=whole)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return gettext("{minutes} min {seconds:02d} s").format(minutes=minutes, seconds=rest)
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return gettext("{hours} h {minutes:02d} min").format(hours=hours, minutes=minutes)
    days, hours = divmod(hours, 24)
    return gettext("{days} d {hours} h").format(days=days, hours=hours)


def figures_of(run: TrainingRun) -> dict[str, str]:
    """The numbers of a run as text; what is not known is empty."""
    left = run.seconds_left
    return {
        "done": number(run.done, ","),
        "total": number(run.total, ","),
        "epoch": number(run.epoch, ".2f"),
        "epochs": number(run.config.get("training", {}).get("epochs", 0), "g"),
        "loss": _loss(run.history),
        "speed": "" if left is None else number(run.pace, ".3g"),
        "time_left": "" if left is None else spelled(left),
        "duration": duration_of(run),
    }


def metrics_table(metrics: Mapping[str, Any]) -> Table | None:
    """Measures by split; None where there are none."""
    columns: dict[str, dict[str, Any]] = {
        prefix: {
            name: metrics[f"{prefix}_{name}"] for name in MEASURES if f"{prefix}_{name}" in metrics
        }
        for prefix in PREFIXES
    }
    shown = [prefix for prefix in PREFIXES if columns[prefix]]
    if not shown:
        return None
    return Table(
        heads=tuple(told(SPLITS[prefix]) for prefix in shown),
        rows=tuple(
            (
                str(MEASURE_NAMES[name]),
                tuple(measure(name, columns[prefix].get(name)) for prefix in shown),
            )
            for name in MEASURES
            if any(name in columns[prefix] for prefix in shown)
        ),
    )


def measure(name: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return ""
    return number(value, ",.0f" if name == "rows" else ".4f")


def provenance_of(run: TrainingRun) -> Provenance | None:
    """Of the rows that a run's model was made of; None where it is not known."""
    known = run.model_version.metrics.get("provenance") if run.model_version else None
    if not known:
        return None
    rows = tuple(
        (told(SPLITS.get(split, split)), tuple(number(counts[source], ",") for source in SOURCES))
        for split, counts in known["rows"].items()
    )
    return Provenance(
        Table(heads=tuple(map(told, SOURCES.values())), rows=rows),
        [told(sentence) for sentence in sentences(known)],
    )


def nothing_replayed(dataset: str) -> str:
    """What is said of a retraining on verdicts alone.

    Args:
        dataset: what the model was first trained on; "" where that is not known.
    """
    if not dataset:
        return gettext(
            "No original training set was found: the model names none. So this run learns from "
            "verdicts alone, and the model may forget what it knew. Put one under DATASETS_DIR and "
            "start a run with it as replay_dataset, to have its rows mixed in."
        )
    return gettext(
        "No original training set was found: {dataset} is not under DATASETS_DIR. So this run "
        "learns from verdicts alone, and the model may forget what it knew. Put {dataset} under "
        "DATASETS_DIR and retrain, to have its rows mixed in."
    ).format(dataset=dataset)


def parameters_of(run: TrainingRun) -> list[tuple[str, list[Parameter]]]:
    """Those that the run was started with, by section."""
    base = recipe_values(run.recipe)
    return [
        (
            str(SECTION_TITLES[section]),
            [
                Parameter(
                    label_of(name),
                    name,
                    parameter_value(value),
                    changed=name in base and value != base[name],
                )
                for name, value in run.config.get(section, {}).items()
            ],
        )
        for section in SECTIONS
        if run.config.get(section)
    ]


def parameter_value(value: Any) -> str:
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    return str(value)


def recipe_of(run: TrainingRun) -> str:
    """The recipe, as long as there is one of its name."""
    return run.recipe if run.recipe in recipe_names() else ""


def values_of(run: TrainingRun) -> dict[str, Any]:
    return flat(run.config)


def tracking_of(run: TrainingRun) -> Tracking:
    """Where MLflow has the run, as far as this process can tell; never with a password."""
    experiment = str(run.config.get("publishing", {}).get("experiment", ""))
    if not experiment or not NAME.fullmatch(run.name):  # it becomes a path
        return Tracking(experiment, "")
    try:
        page = str(Spool(settings.RUNS_DIR / run.name).sent().get("url", ""))
    except (OSError, ValueError):  # not on this host, or half written
        page = ""
    for address in (page, tracking_uri(settings.VAR_DIR)):
        if urlsplit(address).scheme in ("http", "https"):
            return Tracking(experiment, redacted(without_password(address)))
    return Tracking(experiment, "")


def _loss(history: Sequence[Mapping[str, Any]]) -> str:
    logged = [row["loss"] for row in history if "loss" in row]
    if not logged:
        return ""
    if not is_number(logged[-1]):
        return gettext("not a number")
    return number(logged[-1], ".4f")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
