"""The spool: a file with a line for each thing tracked, and how much of it MLflow has."""

import fcntl
import json
import logging
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from training.tracking.redaction import redacted, without_password

logger = logging.getLogger(__name__)

SPOOL = "tracking.jsonl"
SENT = "tracking.sent.json"
LOCK = "tracking.lock"

Record = dict[str, Any]


class Spool:
    """The lines of one run, and how many bytes of them were sent."""

    def __init__(self, run_dir: Path) -> None:
        self.run_dir = run_dir
        self.file = run_dir / SPOOL

    def open(self, *, name: str, experiment: str, uri: str) -> None:
        """Begin the file, or go on with that of a killed run."""
        self.run_dir.mkdir(parents=True, exist_ok=True)
        written = self.file.read_bytes() if self.file.exists() else b""
        whole = written.rfind(b"\n") + 1
        if whole < len(written):
            os.truncate(self.file, whole)  # a kill may have left half a line
        if whole:
            self.append("resumed")
        else:
            self.append(
                "run",
                key=uuid.uuid4().hex,
                name=name,
                experiment=experiment,
                uri=without_password(uri),
            )

    def append(self, kind: str, **facts: Any) -> None:
        """Write a line, whole or, where the disk does not take it, not at all."""
        now = int(time.time() * 1000)  # milliseconds, as MLflow counts
        line = json.dumps({"kind": kind, "time": now, **facts}, ensure_ascii=False)
        content = ((line if kind == "artefact" else redacted(line)) + "\n").encode()
        with self.file.open("ab", buffering=0) as file:
            end = file.tell()
            try:
                written = file.write(content)
            except OSError as error:
                logger.warning("Not tracked, for the disk does not take it: %s", error)
                written = 0
            if written < len(content):
                file.truncate(end)

    def first(self) -> Record:
        return next(self.records())

    def records(self) -> Iterator[Record]:
        return (record for record, _ in self.after(0))

    def after(self, start: int) -> Iterator[tuple[Record, int]]:
        """The records from byte `start` on, each with the byte after it."""
        with self.file.open("rb") as file:
            file.seek(start)
            for line in file:
                if line.endswith(b"\n"):
                    start += len(line)
                    yield json.loads(line), start

    def sent(self) -> dict[str, Any]:
        """What the sender noted last: `uri`, `bytes` and, once there is a run, `run_id`."""
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

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep a second sender off. Raises BlockingIOError where there is one."""
        with (self.run_dir / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
