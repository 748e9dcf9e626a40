"""The delivery: a spool's records to MLflow, in order. In the sender's process alone."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException

from training.tracking.redaction import holds_secret, without_password
from training.tracking.spool import Record, Spool

logger = logging.getLogger(__name__)

KEY_TAG = "reviewsite.run"
# MLflow's limits of one log_batch; a record of another kind goes alone.
AT_ONCE = {"metrics": 1000, "params": 100, "tags": 100}


class Delivery:
    """Sends one spool through one client."""

    def __init__(self, spool: Spool, uri: str) -> None:
        self._spool = spool
        self._uri = uri
        self._client = MlflowClient(tracking_uri=uri)
        self._state = spool.sent()
        if self._state.get("uri") != without_password(uri):
            self._start_over()

    def send(self) -> None:
        """Send all that is unsent, in order.

        Raises:
            Exception: whatever mlflow raises at the first record that cannot be delivered.
        """
        try:
            self._send()
        except MlflowException as error:
            if error.get_http_status_code() != 404 or not self._state.get("run_id"):
                raise
            logger.warning("The store has lost the run; it gets all of it again.")
            self._start_over()
            self._send()

    def _start_over(self) -> None:
        self._state = {"uri": without_password(self._uri), "bytes": 0}

    def _send(self) -> None:
        for batch, end in _batches(self._spool.after(self._state["bytes"])):
            if batch[0]["kind"] in AT_ONCE:
                self._log(batch)
            else:
                self._deliver(batch[0])
            self._state["bytes"] = end
            self._spool.write_sent(self._state)

    def _log(self, batch: Sequence[Record]) -> None:
        try:
            self._client.log_batch(
                self._state["run_id"],
                metrics=[
                    Metric(key, value, record["time"], record["step"])
                    for record in batch
                    if record["kind"] == "metrics"
                    for key, value in record["values"].items()
                ],
                params=[Param(key, value) for key, value in _values("params", batch)],
                tags=[RunTag(key, value) for key, value in _values("tags", batch)],
            )
        except MlflowException as error:
            if error.get_http_status_code() != 400:
                raise
            if len(batch) == 1:
                logger.warning("MLflow refuses %s: %s", batch[0], error)
                return
            # One record that MLflow refuses must not keep the others from it.
            for record in batch:
                self._log([record])

    def _deliver(self, record: Record) -> None:
        match record["kind"]:
            case "run":
                self._open_run(record)
            case "resumed":
                self._client.update_run(self._state["run_id"], status="RUNNING")
            case "artefact":
                self._send_artefact(Path(record["path"]))
            case "end":
                self._client.set_terminated(self._state["run_id"], record["status"], record["time"])

    def _open_run(self, record: Record) -> None:
        experiment = self._experiment(record["experiment"])
        # An earlier attempt may have come through although its answer did not.
        found = self._client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{record['key']}'")
        run = (
            found[0]
            if found
            else self._client.create_run(
                experiment,
                start_time=record["time"],
                tags={KEY_TAG: record["key"]},
                run_name=record["name"],
            )
        )
        self._state["run_id"] = run.info.run_id
        if self._uri.startswith("http"):
            page = f"#/experiments/{experiment}/runs/{run.info.run_id}"
            self._state["url"] = f"{without_password(self._uri).rstrip('/')}/{page}"

    def _experiment(self, name: str) -> str:
        """The id of the experiment, which is made where there is none."""
        found = self._client.get_experiment_by_name(name)
        if found:
            return str(found.experiment_id)
        location = None
        if self._uri.startswith("sqlite:///"):
            location = Path(self._uri.removeprefix("sqlite:///")).with_suffix("").as_uri()
        try:
            return str(self._client.create_experiment(name, artifact_location=location))
        except MlflowException:
            # Another run may have made it in between.
            found = self._client.get_experiment_by_name(name)
            if not found:
                raise
            return str(found.experiment_id)

    def _send_artefact(self, path: Path) -> None:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        if not files:
            logger.warning("There is no artefact %s any more.", path)
        for file in files:
            if holds_secret(file):
                logger.warning("%s holds a token and is not sent.", file)
                continue
            folder = file.parent.relative_to(path.parent).as_posix() if file != path else None
            self._client.log_artifact(self._state["run_id"], str(file), artifact_path=folder)
            self._state["files"] = self._state.get("files", 0) + 1  # seen as getting on
            self._spool.write_sent(self._state)


def _batches(records: Iterable[tuple[Record, int]]) -> Iterator[tuple[list[Record], int]]:
    """Records that go together, or one that goes alone, with the byte after the last of them."""
    batch: list[Record] = []
    held: Counter[str] = Counter()
    end = 0
    for record, after in records:
        kind = record["kind"]
        size = Counter({kind: len(record["values"]) if kind in AT_ONCE else 1})
        if batch and any(count > AT_ONCE.get(of, 0) for of, count in (held + size).items()):
            yield batch, end
            batch, held = [], Counter()
        batch.append(record)
        held += size
        end = after
    if batch:
        yield batch, end


def _values(kind: str, records: Sequence[Record]) -> list[tuple[str, str]]:
    return [
        item for record in records if record["kind"] == kind for item in record["values"].items()
    ]
