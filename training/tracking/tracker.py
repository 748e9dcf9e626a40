"""The tracker: what a run tells MLflow, called by the run and by the Trainer."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.tracking.spool import Spool

if TYPE_CHECKING:
    from transformers import TrainerCallback

STEP_LOGS = {"loss", "grad_norm", "learning_rate", "epoch"}


class Tracker:
    """What a run tells MLflow: a line in a file for each call; without a spool, nothing."""

    def __init__(self, spool: Spool | None = None) -> None:
        self._spool = spool
        self._known = {
            (key, record["step"])
            for record in (spool.records() if spool else ())
            if record["kind"] == "metrics"
            for key in record["values"]
        }

    def params(self, values: Mapping[str, Any]) -> None:
        """Parameters; a mapping within becomes `outer.inner`."""
        self._write("params", values={key: str(value) for key, value in _flat(values)})

    def tags(self, values: Mapping[str, object]) -> None:
        self._write("tags", values={key: str(value) for key, value in values.items()})

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Measures at an optimizer step; one that a resumed run tells again is not repeated.

        Args:
            step: None for a measure of the whole run.
        """
        at = step or 0
        new = {key: float(value) for key, value in values.items() if (key, at) not in self._known}
        self._known |= {(key, at) for key in new}
        if new:
            self._write("metrics", values=new, step=at)

    def artefact(self, path: Path) -> None:
        """A file, or a directory with all in it, under its own name; one with a token is left out.

        It is read when it is sent, so it must stay as it is.
        """
        self._write("artefact", path=str(path.resolve()))

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run, once the store has given one."""
        return self._spool.sent().get("run_id") if self._spool else None

    @property
    def url(self) -> str | None:
        """The run's page, where the store is a server."""
        return self._spool.sent().get("url") if self._spool else None

    def callback(self) -> "TrainerCallback":
        """Tells the Trainer's logs by step: `loss`, `learning_rate`, `eval_*` and the like."""
        from transformers import TrainerCallback

        tracker = self

        class Logs(TrainerCallback):
            def on_log(
                self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
            ) -> None:
                # train() ends with a summary that is not a measure of its last step.
                if state.is_world_process_zero and "train_runtime" not in logs:
                    told = {key: logs[key] for key in logs if key in STEP_LOGS or _validates(key)}
                    tracker.metrics(told, step=state.global_step)

        return Logs()

    def _write(self, kind: str, **facts: Any) -> None:
        if self._spool:
            self._spool.append(kind, **facts)


def _validates(key: str) -> bool:
    return key.startswith("eval_") and not key.endswith(("_runtime", "_per_second"))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
