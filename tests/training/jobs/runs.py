"""Runs of tests: rows, what is on the disk of them, and things that happen meanwhile."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

from classifier.artefact import open_artefact
from classifier.files import open_stored
from classifier.jobs import Claim
from classifier.models import ModelVersion, StoredFile
from tests.training.on_site import ON_SITE
from training import services
from training.checkpoints import numbered
from training.models import TrainingRun


def start(name: str = "mine", **overrides: Any) -> TrainingRun:
    return services.start_run(name=name, overrides=ON_SITE | overrides)


def claimed(run: TrainingRun) -> Claim:
    claim = TrainingRun.objects.claim(run.pk)
    assert claim
    return claim


def row(run: TrainingRun) -> TrainingRun:
    found: TrainingRun = TrainingRun.objects.get(pk=run.pk)
    return found


def checkpoint_steps(var_dir: Path, name: str = "mine") -> list[int]:
    found = numbered(var_dir / "runs" / name / "checkpoints")
    return [int(path.name.rpartition("-")[2]) for path in found]


def models_of(var_dir: Path) -> list[str]:
    """What is in the folder of models, but for the base model and what is kept of candidates."""
    found = {path.name for path in (var_dir / "models").iterdir()}
    return sorted(found - {"tiny-base", "versions"})


def require_success(run: TrainingRun, var_dir: Path) -> None:
    """One model, one version, a stored report and the measures, each belonging to the others."""
    assert (run.status, run.error, run.stage) == ("succeeded", "", "")
    assert run.done == run.total > 0
    assert models_of(var_dir) == [run.name]
    artefact = open_artefact(run.name, models_dir=var_dir / "models")
    version = ModelVersion.objects.get()
    assert run.model_version == version
    assert (version.name, version.revision) == (run.name, artefact.revision())
    assert run.metrics == json.loads((artefact.directory / "metrics.json").read_text())["metrics"]
    assert run.metrics["test_rows"] == 20
    assert run.report is not None
    assert StoredFile.objects.count() == 1
    report = (var_dir / "runs" / run.name / "report.html").read_bytes()
    assert open_stored(run.report).read() == report
    assert [point["step"] for point in run.history if "eval_loss" in point][-1] == run.total


@contextmanager
def beside(act: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread; what went wrong there goes wrong here."""
    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            act()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if errors:
        raise errors[0]
