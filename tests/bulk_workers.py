"""Bulk workers in processes of their own, which may be killed or stopped at any moment."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.site import ROOT, Site, command

LEASE = 2.0  # seconds
QUICK = {
    "JOB_LEASE_SECONDS": str(LEASE),
    "JOB_HEARTBEAT_SECONDS": "0.4",
    "REAP_SECONDS": "1",
    "OMP_NUM_THREADS": "1",
}
# A worker that writes down which chunks it begins, which it has rated, and takes its time for each.
JOURNAL = """
import os, sys, time
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")
import django; django.setup()
from classifier.bulk_jobs import chunk_claims, coordination, rating, served, work
journal = os.open(os.environ["JOURNAL"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def note(event, claim):
    os.write(journal, f"{event} {claim.job} {claim.number} {os.getpid()}\\n".encode())
rate, classify = rating.rate, served.Served.classify
def noted(claim, model, *, keep_texts):
    note("begun", claim)
    rate(claim, model, keep_texts=keep_texts)
    note("rated", claim)
rating.rate = noted
def slowly(self, texts):
    time.sleep(float(os.environ["CHUNK_SECONDS"]))
    return classify(self, texts)
served.Served.classify = slowly
# Here workers are killed so often that it is no fault of the chunk.
rating.MAX_CHUNK_LOSSES = 1000
"""
SUBMIT = """
from classifier.bulk_jobs.submission import submit
from classifier.models import Prediction
with open({path!r}, "rb") as stream:
    job = submit(
        stream, {path!r}, text_column="text", keep_texts=True, source=Prediction.Source.API
    )
print(job.pk.hex)
"""


@dataclass(frozen=True)
class Entry:
    event: str
    job: str
    number: int
    pid: int


@dataclass
class BulkSite:
    """A site whose bulk workers are started and killed here."""

    site: Site
    plant: str = ""
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    groups: list[int] = field(default_factory=list)
    """Of processes, one of each that was started: those that it forked live on without it."""

    @classmethod
    @contextmanager
    def prepared(
        cls,
        var_dir: Path,
        environment: Mapping[str, str] | None = None,
        *,
        plant: str = "",
        chunk_seconds: float = 0.0,
    ) -> Iterator["BulkSite"]:
        """A site with its database, and no process yet.

        Args:
            plant: Python that is run in each worker first.
            chunk_seconds: which each chunk takes besides.
        """
        variables = {
            **QUICK,
            "JOURNAL": str(var_dir / "journal"),
            "CHUNK_SECONDS": str(chunk_seconds),
            "SECRET_KEY": "a secret that guards nothing, for a database that goes away",
            "ALLOWED_HOSTS": "127.0.0.1",
            **(environment or {}),
        }
        made = cls(Site.prepared(var_dir, **variables), plant)
        try:
            yield made
        finally:
            for name in list(made.processes):
                made.kill(name)
            for group in made.groups:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)

    def start(self, name: str, process: str = "worker-bulk") -> None:
        program, *arguments = command(process)[2:]
        # Each with a name of its own among the workers.
        arguments = [argument.replace("bulk@", f"{name}@") for argument in arguments]
        before = f"{JOURNAL}\n{self.plant}\n" if process == "worker-bulk" else ""
        code = (
            f"{before}import runpy, sys\nsys.argv[0] = {program!r}\n"
            f"runpy.run_module({program!r}, run_name='__main__', alter_sys=True)\n"
        )
        with self.log(name).open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-c", code, *arguments],
                cwd=ROOT,
                env=self.site.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.groups.append(self.processes[name].pid)

    def log(self, name: str) -> Path:
        return self.site.var_dir / f"{name}.log"

    def kill(self, name: str) -> None:
        """kill -9."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        self.processes[name].send_signal(number)

    def submit(self, content: bytes, name: str = "reviews.csv") -> str:
        """Queue a file whose texts are kept; the job's id as SQLite has it."""
        path = self.site.var_dir / name
        path.write_bytes(content)
        return self.shell(SUBMIT.format(path=str(path))).split()[-1]

    def shell(self, code: str) -> str:
        return self.site.manage("shell", "--no-imports", "--command", code)

    def journal(self, job: str) -> list[Entry]:
        path = Path(self.site.environment["JOURNAL"])
        if not path.exists():
            return []
        entries = []
        for line in path.read_text().splitlines():
            event, of, number, pid = line.split()
            entries.append(Entry(event, of.replace("-", ""), int(number), int(pid)))
        return [entry for entry in entries if entry.job == job]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        url = self.site.environment.get("DATABASE_URL")
        if url:
            import psycopg

            with psycopg.connect(url, connect_timeout=5) as connection:
                return connection.execute(query).fetchall()
        path = self.site.var_dir / "db.sqlite3"
        with closing(sqlite3.connect(path, timeout=20)) as connection:
            return connection.execute(query).fetchall()

    def status(self, job: str) -> str:
        query = f"SELECT status FROM classifier_bulkjob WHERE id = '{job}'"
        return str(self.rows(query)[0][0])

    def wait_until_over(self, job: str, *, seconds: float) -> str:
        """The status of the job when it is over, or when the time is."""
        deadline = time.monotonic() + seconds
        while (status := self.status(job)) in ("queued", "running"):
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        return status

    def result(self, job: str) -> bytes:
        query = (
            "SELECT content FROM classifier_filepiece JOIN classifier_bulkjob "
            f"ON file_id = result_id WHERE classifier_bulkjob.id = '{job}' ORDER BY number"
        )
        return b"".join(bytes(content) for (content,) in self.rows(query))

    def said(self) -> str:
        """The ends of all logs, for a failure."""
        logs = sorted(self.site.var_dir.glob("*.log"))
        return "\n".join(f"{path.name}:\n{path.read_text()[-1500:]}" for path in logs)


def redone(journal: list[Entry]) -> int:
    """How many times a chunk was begun again."""
    begun = [entry.number for entry in journal if entry.event == "begun"]
    return len(begun) - len(set(begun))
