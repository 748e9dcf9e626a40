"""MLflow around a whole run, training and evaluation; no server can cost the run a thing.

Whatever is tracked is one line in a file of the run, the spool. A process of its own sends the
spool to MLflow: it imports mlflow, waits for sockets and may hang or die without the run noticing.
Where it got to is written down, so what was not sent is sent by the next run, or by replay().
Sending twice is harmless: MLflow keeps one of two metrics that are equal to the millisecond.

transformers' own callback ends its MLflow run with the training, before the evaluation
(huggingface/transformers#35074), so the run is opened here.
"""

import fcntl
import json
import logging
import os
import re
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit, urlunsplit

from training.checkpoints import TrainingStopped

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from transformers import TrainerCallback

logger = logging.getLogger(__name__)

SPOOL = "tracking.jsonl"
SENT = "tracking.sent.json"
LOCK = "tracking.lock"
LOG = "tracking.log"
KEY_TAG = "reviewsite.run"

SEND_SECONDS = 2.0  # between two looks at the spool
LONGEST_WAIT = 60.0  # seconds between attempts at a server that does not answer
HTTP_SECONDS = 5  # that one request to the server may take
PATIENCE = 60.0  # seconds without progress that the end of a run waits for the sender
AT_ONCE = {"metrics": 1000, "params": 100, "tags": 100}  # MLflow's limits of one log_batch
STEP_LOGS = {"loss", "grad_norm", "learning_rate", "epoch"}
READABLE = {".csv", ".html", ".json", ".jsonl", ".md", ".toml", ".txt"}
SECRETS = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
)
HUB_TOKEN = re.compile(r"\bhf_\w+")


def tracking_uri(var_dir: Path) -> str:
    """Where runs are tracked: MLFLOW_TRACKING_URI, else an SQLite file under `var_dir`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{var_dir}/mlflow.db"


class Tracker:
    """What a run tells MLflow: a line in a file for each call; without a spool, nothing."""

    def __init__(self, spool: "Spool | None" = None) -> None:
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
            self._spool.append({"kind": kind, "time": _now(), **facts})


def _validates(key: str) -> bool:
    return key.startswith("eval_") and not key.endswith(("_runtime", "_per_second"))


@contextmanager
def tracked_run(
    name: str,
    config: Mapping[str, Any],
    run_dir: Path,
    tracking_uri: str,
    experiment: str,
) -> Iterator[Tracker]:
    """An MLflow run; a run that was killed goes on as the same one.

    Args:
        config: parameters, sections within.
        run_dir: of this run; the spool lies there. Those of other runs are looked for beside it.
        tracking_uri: a server, or sqlite:///FILE whose artefacts go to the folder FILE less .db.
        experiment: MLflow's experiment; empty tracks nothing.
    """
    if not experiment:
        yield Tracker()
        return
    spool = Spool(run_dir)
    spool.open(name=name, experiment=experiment, uri=tracking_uri)
    tracker = Tracker(spool)
    tracker.params(config)
    sender = _Sender.started(run_dir, tracking_uri)
    status = "FAILED"
    try:
        yield tracker
        status = "FINISHED"
    except (KeyboardInterrupt, TrainingStopped):
        status = "KILLED"
        raise
    finally:
        spool.append({"kind": "end", "time": _now(), "status": status})
        if not sender.finish(PATIENCE):
            logger.warning(
                "MLflow at %s did not take all of run %s (see %s). The next run sends the rest.",
                _without_password(tracking_uri),
                name,
                run_dir / LOG,
            )


def replay(run_dir: Path, tracking_uri: str = "", *, patience: float = PATIENCE) -> bool:
    """Send what MLflow does not have of a run; whether it has all of it now.

    Args:
        tracking_uri: empty for the one that the run was tracked at; another gets the whole run.
        patience: seconds without progress after which it is given up.
    """
    uri = tracking_uri or Spool(run_dir).first()["uri"]
    return _Sender.started(run_dir, uri).finish(patience)


class Spool:
    """The lines of one run, and how many bytes of them were sent."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.file = run_dir / SPOOL

    def open(self, *, name: str, experiment: str, uri: str) -> None:
        """Begin the file, or go on with that of a killed run."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        if self.file.exists():
            whole = self.file.read_bytes()
            os.truncate(self.file, whole.rfind(b"\n") + 1)  # a kill may have left half a line
        if self.file.exists() and self.file.stat().st_size:
            self.append({"kind": "resumed", "time": _now()})
            return
        self.append(
            {
                "kind": "run",
                "time": _now(),
                "key": uuid.uuid4().hex,
                "name": name,
                "experiment": experiment,
                "uri": _without_password(uri),
            }
        )

    def append(self, record: Mapping[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False)
        content = (line if record["kind"] == "artefact" else redacted(line)) + "\n"
        with self.file.open("ab", buffering=0) as file:
            end = file.tell()
            try:
                written = file.write(content.encode())
            except OSError as error:
                logger.warning("Not tracked, for the disk does not take it: %s", error)
                written = 0
            if written < len(content.encode()):
                file.truncate(end)

    def first(self) -> dict[str, Any]:
        return next(record for record, _ in self.after(0))

    def records(self) -> Iterator[dict[str, Any]]:
        return (record for record, _ in self.after(0))

    def after(self, start: int) -> Iterator[tuple[dict[str, Any], int]]:
        """The records from byte `start` on, each with the byte after it."""
        with self.file.open("rb") as file:
            file.seek(start)
            for line in file:
                if line.endswith(b"\n"):
                    start += len(line)
                    yield json.loads(line), start

    def sent(self) -> dict[str, Any]:
        try:
            state: dict[str, Any] = json.loads((self.run_dir / SENT).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        return state

    def write_sent(self, state: Mapping[str, Any]) -> None:
        draft = self.run_dir / f".{SENT}.draft"
        draft.write_text(json.dumps(state), encoding="utf-8")
        os.replace(draft, self.run_dir / SENT)

    def is_sent(self) -> bool:
        return next(self.after(self.sent().get("bytes", 0)), None) is None


class _Sender:
    """The process that sends; it stops when its standard input ends, so also with its parent."""

    def __init__(self, process: "subprocess.Popen[bytes]", run_dir: Path) -> None:
        self._process = process
        self._spool = Spool(run_dir)

    @classmethod
    def started(cls, run_dir: Path, tracking_uri: str) -> Self:
        with (run_dir / LOG).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603  this interpreter, this module
                [sys.executable, "-m", "training.tracking", str(run_dir.resolve())],
                cwd=Path(__file__).resolve().parent.parent,
                env=os.environ | _client_environment() | {"MLFLOW_TRACKING_URI": tracking_uri},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the run; this one ends with its input
            )
        return cls(process, run_dir)

    def finish(self, patience: float) -> bool:
        """Let it send the rest, for as long as it gets on; whether all was sent."""
        if self._process.stdin:
            self._process.stdin.close()
        seen, deadline = self._spool.sent(), time.monotonic() + patience
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
            if (now := self._spool.sent()) != seen:
                seen, deadline = now, time.monotonic() + patience
        self._process.kill()
        self._process.wait()
        return self._spool.is_sent()


def _client_environment() -> dict[str, str]:
    """What mlflow reads when it is imported: one short attempt a request, and no telemetry."""
    return {
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(HTTP_SECONDS),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }


def redacted(text: str) -> str:
    """`text` without Hub tokens and the values of the variables that hold secrets."""
    for name in SECRETS:
        if secret := os.environ.get(name):
            text = text.replace(secret, "***")
    return HUB_TOKEN.sub("hf_***", text)


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _now() -> int:
    return int(time.time() * 1000)  # milliseconds, as MLflow counts


def _without_password(uri: str) -> str:
    parts = urlsplit(uri)
    return (
        urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if parts.netloc else uri
    )


# Below: what runs in the sender's process.


class _Delivery:
    """Sends one spool through one client."""

    def __init__(self, run_dir: Path, uri: str) -> None:
        self.spool = Spool(run_dir)
        self.uri = uri
        self.state = self.spool.sent()
        if self.state.get("uri") != _without_password(uri):
            self._start_over()

    def _start_over(self) -> None:
        self.state = {"uri": _without_password(self.uri), "bytes": 0}

    def send(self) -> None:
        """Send all that is unsent, in order.

        Raises:
            Exception: whatever mlflow raises at the first record that cannot be delivered.
        """
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        client = MlflowClient(tracking_uri=self.uri)
        try:
            self._send(client)
        except MlflowException as error:
            if error.get_http_status_code() != 404 or not self.state.get("run_id"):
                raise
            logger.warning("The store has lost the run; it gets all of it again.")
            self._start_over()
            self._send(client)

    def _send(self, client: "MlflowClient") -> None:
        batch: list[dict[str, Any]] = []
        end = self.state["bytes"]
        for record, after in self.spool.after(end):
            if record["kind"] not in AT_ONCE:
                self._flush(client, batch, end)
                batch = []
                self._deliver_single(client, record)
                self._sent_up_to(after)
            else:
                if _is_full([*batch, record]):
                    self._flush(client, batch, end)
                    batch = []
                batch.append(record)
            end = after
        self._flush(client, batch, end)

    def _flush(self, client: "MlflowClient", batch: list[dict[str, Any]], end: int) -> None:
        from mlflow.exceptions import MlflowException

        if not batch:
            return
        try:
            self._log(client, batch)
        except MlflowException as error:
            if error.get_http_status_code() != 400:
                raise
            # One record that MLflow refuses must not keep the others from it.
            for record in batch:
                try:
                    self._log(client, [record])
                except MlflowException as refused:
                    if refused.get_http_status_code() != 400:
                        raise
                    logger.warning("MLflow refuses %s: %s", record, refused)
        self._sent_up_to(end)

    def _log(self, client: "MlflowClient", batch: list[dict[str, Any]]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        client.log_batch(
            self.state["run_id"],
            metrics=[
                Metric(key, value, record["time"], record["step"])
                for record in batch
                if record["kind"] == "metrics"
                for key, value in record["values"].items()
            ],
            params=[Param(key, value) for key, value in _of("params", batch)],
            tags=[RunTag(key, value) for key, value in _of("tags", batch)],
        )

    def _deliver_single(self, client: "MlflowClient", record: dict[str, Any]) -> None:
        if record["kind"] == "run":
            self._open_run(client, record)
        elif record["kind"] == "resumed":
            client.update_run(self.state["run_id"], status="RUNNING")
        elif record["kind"] == "artefact":
            self._send_artefact(client, Path(record["path"]))
        elif record["kind"] == "end":
            client.set_terminated(self.state["run_id"], record["status"], record["time"])

    def _open_run(self, client: "MlflowClient", record: dict[str, Any]) -> None:
        experiment = self._experiment(client, record["experiment"])
        # An earlier attempt may have come through although its answer did not.
        found = client.search_runs([experiment], f"tags.`{KEY_TAG}` = '{record['key']}'")
        run = (
            found[0]
            if found
            else client.create_run(
                experiment,
                start_time=record["time"],
                tags={KEY_TAG: record["key"]},
                run_name=record["name"],
            )
        )
        self.state["run_id"] = run.info.run_id
        if self.uri.startswith("http"):
            page = f"#/experiments/{experiment}/runs/{run.info.run_id}"
            self.state["url"] = f"{_without_password(self.uri).rstrip('/')}/{page}"

    def _experiment(self, client: "MlflowClient", name: str) -> str:
        from mlflow.exceptions import MlflowException

        found = client.get_experiment_by_name(name)
        if found:
            return str(found.experiment_id)
        location = None
        if self.uri.startswith("sqlite:///"):
            location = Path(self.uri.removeprefix("sqlite:///")).with_suffix("").as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException:
            # Another run may have made it in between.
            found = client.get_experiment_by_name(name)
            if not found:
                raise
            return str(found.experiment_id)

    def _send_artefact(self, client: "MlflowClient", path: Path) -> None:
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        if not files:
            logger.warning("There is no artefact %s any more.", path)
        for file in files:
            if file.suffix in READABLE and _holds_secret(file):
                logger.warning("%s holds a token and is not sent.", file)
                continue
            folder = file.parent.relative_to(path.parent).as_posix() if file != path else None
            client.log_artifact(self.state["run_id"], str(file), artifact_path=folder)
            self.state["files"] = self.state.get("files", 0) + 1  # seen as getting on
            self.spool.write_sent(self.state)

    def _sent_up_to(self, end: int) -> None:
        self.state["bytes"] = end
        self.spool.write_sent(self.state)


def _of(kind: str, batch: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [item for record in batch if record["kind"] == kind for item in record["values"].items()]


def _is_full(batch: list[dict[str, Any]]) -> bool:
    sizes = {
        kind: sum(len(record["values"]) for record in batch if record["kind"] == kind)
        for kind in AT_ONCE
    }
    return any(sizes[kind] > limit for kind, limit in AT_ONCE.items())


def _holds_secret(file: Path) -> bool:
    text = file.read_text(encoding="utf-8", errors="replace")
    return any((secret := os.environ.get(name)) and secret in text for name in SECRETS) or bool(
        re.search(r"\bhf_[A-Za-z0-9]{20,}", text)
    )


@contextmanager
def _alone(run_dir: Path) -> Iterator[None]:
    """Keep a second sender off this spool. Raises BlockingIOError where there is one."""
    with (run_dir / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _attempt(run_dir: Path, uri: str) -> bool:
    try:
        with _alone(run_dir):
            _Delivery(run_dir, uri).send()
    except Exception as error:  # tracking must not stop, whatever a store or a network does
        logger.warning("%s: not sent: %s: %s", run_dir.name, type(error).__name__, error)
        return False
    return True


def _serve(run_dir: Path, uri: str) -> int:
    wait, ended = 0.0, False
    while not ended:
        ended = _input_ends(wait)
        if _attempt(run_dir, uri):
            wait = SEND_SECONDS
        else:
            wait = min(max(wait * 2, SEND_SECONDS), LONGEST_WAIT)
            ended = ended or _input_ends(0)
    spool = Spool(run_dir)
    if spool.is_sent():
        _send_leftovers(run_dir, uri)
    return 0 if spool.is_sent() else 1


def _send_leftovers(run_dir: Path, uri: str) -> None:
    """Send what other runs beside this one could not."""
    for file in sorted(run_dir.parent.glob(f"*/{SPOOL}")):
        other = Spool(file.parent)
        unsent = other.run_dir != run_dir and not other.is_sent()
        if unsent and other.first()["uri"] == _without_password(uri):
            _attempt(other.run_dir, uri)


def _input_ends(seconds: float) -> bool:
    return bool(select.select([sys.stdin], [], [], seconds)[0])


if __name__ == "__main__":
    logging.basicConfig(format="{asctime} {levelname} {message}", style="{", level=logging.WARNING)
    sys.exit(_serve(Path(sys.argv[1]), os.environ["MLFLOW_TRACKING_URI"]))
