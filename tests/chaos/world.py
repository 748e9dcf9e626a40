"""A site with workers, Redis and PostgreSQL of its own, of which anything may be broken."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests import tiny
from tests.servers import PostgreSQLServer, RedisServer, own_postgresql, own_redis
from tests.services.client import file_request
from tests.site import ROOT, Site, command

LEASE = 6.0  # seconds
QUICK = {
    "JOB_LEASE_SECONDS": str(LEASE),
    "JOB_HEARTBEAT_SECONDS": "1",
    "REAP_SECONDS": "1",
    "OMP_NUM_THREADS": "1",
}


@dataclass
class World:
    """The processes of one site; `start` and `kill` work on any of the Procfile's."""

    site: Site
    redis: RedisServer
    postgresql: PostgreSQLServer
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, process: str, *, name: str = "", plant: str = "") -> None:
        """Start a process of the Procfile.

        Args:
            name: tells two of the same kind apart.
            plant: Python that is run in it first: a fault that the figures must show.
        """
        name = name or process
        arguments = command(process)
        if plant:
            arguments = _planted(arguments, plant)
        with (self.site.var_dir / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                arguments,
                cwd=ROOT,
                env=self.site.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def tree(self, name: str) -> list[psutil.Process]:
        """A process and all that it has started."""
        try:
            root = psutil.Process(self.processes[name].pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self, name: str) -> None:
        """kill -9 of a process and of all that it has started, at once."""
        stopped: set[psutil.Process] = set()
        # First all stand still: none notices another's death, none starts another meanwhile.
        while new := set(self.tree(name)) - stopped:
            for process in new:
                _signal(process, signal.SIGSTOP)
            stopped |= new
        for process in stopped:
            _signal(process, signal.SIGKILL)
        self.processes.pop(name).wait()

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def log(self, name: str) -> str:
        path = self.site.var_dir / f"{name}.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(self.postgresql.url, connect_timeout=5) as connection:
            return connection.execute(query).fetchall()

    def shell(self, code: str) -> str:
        return self.site.manage("shell", "--no-imports", "--command", code)

    def predict(self, text: str) -> dict[str, Any]:
        """POST /api/predict.

        Raises:
            OSError: no answer, or one that is no success.
        """
        return _answer(
            urllib.request.Request(
                f"{self.site.url}/api/predict",
                data=json.dumps({"text": text}).encode(),
                headers={"Content-Type": "application/json"},
            )
        )

    def rate_file(self, name: str, content: bytes) -> dict[str, Any]:
        """POST /api/bulk; raises as predict."""
        return _answer(file_request(self.site, name, content))

    def get(self, path: str) -> dict[str, Any]:
        """Raises as predict."""
        return _answer(urllib.request.Request(f"{self.site.url}{path}"))


@contextmanager
def world(folder: Path, *, web: bool = True, **environment: str) -> Iterator[World]:
    """A site on Redis and PostgreSQL with a tiny model; no worker is started."""
    with ExitStack() as stack:
        redis = stack.enter_context(own_redis(folder))
        postgresql = stack.enter_context(own_postgresql())
        model = folder / "tiny"
        if not model.exists():
            tiny.write_classifier(model)
        variables: dict[str, str] = {
            **QUICK,
            "CLASSIFIER_MODEL": str(model),
            "DATABASE_URL": postgresql.url,
            "REDIS_URL": redis.url,
            "ALLOWED_HOSTS": "*",
            "SECRET_KEY": uuid.uuid4().hex * 2,
            **environment,
        }
        var_dir = folder / "var"
        var_dir.mkdir(exist_ok=True)
        site = (
            stack.enter_context(Site.started(var_dir, **variables))
            if web
            else Site.prepared(var_dir, **variables)
        )
        made = World(site=site, redis=redis, postgresql=postgresql)
        try:
            yield made
        finally:
            made.stop()


def until(
    holds: Callable[[], Any], *, seconds: float, what: str, every: float = 0.1
) -> tuple[Any, float]:
    """Wait until `holds()` is true; what it gave, and the seconds it took.

    Raises:
        TimeoutError: it was not within `seconds`.
    """
    started = time.monotonic()
    while True:
        try:
            found = holds()
        except (OSError, urllib.error.URLError):
            found = None
        took = time.monotonic() - started
        if found:
            return found, took
        if took > seconds:
            raise TimeoutError(f"Not within {seconds:.0f} s: {what}")
        time.sleep(every)


def reviews(count: int, *, seed: int, words: int = 12) -> Iterator[str]:
    """Sentences that the tiny model knows, each with a number of its own."""
    rng = random.Random(seed)
    for number in range(count):
        yield f"{tiny.sentence(number % 2, rng, words)} {number}"


def csv_of(count: int, *, seed: int = 0, words: int = 12) -> bytes:
    return ("text\n" + "\n".join(reviews(count, seed=seed, words=words)) + "\n").encode()


def _answer(request: urllib.request.Request) -> dict[str, Any]:
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.loads(response.read())
        return answer


def _planted(arguments: list[str], plant: str) -> list[str]:
    program = arguments[2]
    code = (
        "import os, runpy, sys\n"
        "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'reviewsite.settings')\n"
        "import django; django.setup()\n"
        f"{plant}\n"
        f"sys.argv[0] = {program!r}\n"
        f"runpy.run_module({program!r}, run_name='__main__', alter_sys=True)\n"
    )
    return [sys.executable, "-c", code, *arguments[3:]]


def _signal(process: psutil.Process, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)
