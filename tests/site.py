"""The site as an operator starts it, in processes of its own, for tests that need it whole."""

import atexit
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import psycopg

from tests.shared import SHARED, made_once

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 180  # a start takes seconds of work; a busy machine takes its time for it
STOP_SECONDS = 20
# What the tests themselves are run with says nothing of the site.
NOT_INHERITED = {"DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL", "GUNICORN_CMD_ARGS"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command(process: str, *, wsgi: str = "reviewsite.wsgi") -> list[str]:
    """The command of a process in the Procfile, with this Python's own programs."""
    lines = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    program, *arguments = shlex.split(lines[process].removeprefix("exec "))
    return [
        sys.executable,
        "-m",
        program,
        *(wsgi if argument == "reviewsite.wsgi" else argument for argument in arguments),
    ]


@dataclass
class Site:
    url: str
    var_dir: Path
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def prepared(cls, var_dir: Path, **environment: str | None) -> Self:
        """A site with its database, not started; a variable that is None is not inherited."""
        port = free_port()
        variables = {
            **{key: value for key, value in os.environ.items() if key not in NOT_INHERITED},
            "VAR_DIR": str(var_dir),
            "BIND": f"127.0.0.1:{port}",
            "HTTPS": "false",
            "WEB_CONCURRENCY": "1",
            "CELERY_SKIP_CHECKS": "true",  # which take each worker a second
            "RATE_LIMIT": "0",  # all that a test sends comes from one address
            "DJANGO_SETTINGS_MODULE": "reviewsite.settings",
            **environment,
        }
        site = cls(
            url=f"http://127.0.0.1:{port}",
            var_dir=var_dir,
            log=var_dir / "web.log",
            environment={key: value for key, value in variables.items() if value is not None},
        )
        database = var_dir / "db.sqlite3"
        if url := site.environment.get("DATABASE_URL"):
            if not _has_tables(url):
                site.manage("migrate", "--verbosity", "0")
        elif not database.exists():
            shutil.copyfile(migrated_file(), database)
        return site

    @classmethod
    @contextmanager
    def started(
        cls,
        var_dir: Path,
        *,
        until: str = "readyz",
        wsgi: str = "reviewsite.wsgi",
        **environment: str | None,
    ) -> Iterator[Self]:
        """A site whose `until` has answered 200; stopped at the end."""
        site = cls.prepared(var_dir, **environment)
        site.collect_static()
        with site.running(command("web", wsgi=wsgi), log=site.log) as process:
            site.process = process
            site.wait(process, until)
            yield site

    def collect_static(self) -> None:
        """As manage.py collectstatic."""
        shutil.copytree(_collected_files(), self.var_dir / "static", dirs_exist_ok=True)

    @contextmanager
    def running(self, arguments: list[str], *, log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """A process of the site; stopped at the end, if it has not stopped by itself."""
        with log.open("w") as output:
            process = subprocess.Popen(
                arguments, cwd=ROOT, env=self.environment, stdout=output, stderr=output
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def manage(self, *arguments: str, stdin: str | None = None, timeout: float = 300) -> str:
        """Run a manage.py command of this site; its standard output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            text=True,
            capture_output=True,
            timeout=timeout,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def wait(self, process: subprocess.Popen[bytes], path: str) -> None:
        """Wait until `path` answers 200."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/{path}", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"The site did not start:\n{self.log.read_text()[-3000:]}")


def _has_tables(url: str) -> bool:
    with psycopg.connect(url, connect_timeout=5) as connection:
        found = connection.execute("SELECT to_regclass('django_migrations')").fetchone()
    return found is not None and found[0] is not None


@cache
def migrated_file() -> Path:
    """An SQLite file with all tables, to be copied: making them takes seconds."""
    return _made_by("migrate") / "db.sqlite3"


@cache
def _collected_files() -> Path:
    """What collectstatic leaves, to be copied for the same reason."""
    return _made_by("collectstatic", "--no-input") / "static"


def _made_by(*arguments: str) -> Path:
    """The folder of a site of which this manage.py command is all that was ever run."""
    folder = Path(os.environ.get(SHARED) or _own_folder())
    return made_once(
        folder / f"made-by-{arguments[0]}", lambda draft: _manage_alone(draft, *arguments)
    )


@cache
def _own_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="site-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _manage_alone(var_dir: Path, *arguments: str) -> None:
    var_dir.mkdir()
    inherited = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
    environment = {
        **inherited,
        "VAR_DIR": str(var_dir),
        "DJANGO_SETTINGS_MODULE": "reviewsite.settings",
    }
    Site("", var_dir, environment, var_dir / "log").manage(*arguments, "--verbosity", "0")
