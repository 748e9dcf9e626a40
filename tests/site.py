"""The site as an operator starts it, in processes of its own, for tests that need it whole."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 90


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Site:
    url: str
    var_dir: Path
    environment: dict[str, str]
    log: Path

    @classmethod
    @contextmanager
    def started(cls, var_dir: Path, *, until: str = "readyz", **environment: str) -> Iterator[Self]:
        """Migrate, start gunicorn on a free port, wait until `until` answers 200; stop at the end."""
        port = free_port()
        site = cls(
            url=f"http://127.0.0.1:{port}",
            var_dir=var_dir,
            log=var_dir / "gunicorn.log",
            environment={
                **{
                    key: value
                    for key, value in os.environ.items()
                    if key not in {"DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL"}
                },
                "VAR_DIR": str(var_dir),
                "BIND": f"127.0.0.1:{port}",
                "HTTPS": "false",
                "WEB_CONCURRENCY": "1",
                "DJANGO_SETTINGS_MODULE": "reviewsite.settings",
                **environment,
            },
        )
        site.manage("migrate", "--verbosity", "0")
        site.manage("collectstatic", "--verbosity", "0", "--no-input")
        with site.log.open("w") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "gunicorn",
                    "-c",
                    "python:reviewsite.gunicorn",
                    "reviewsite.wsgi",
                ],
                cwd=ROOT,
                env=site.environment,
                stdout=log,
                stderr=log,
            )
        try:
            site._wait(process, until)
            yield site
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def manage(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a manage.py command of this site; its standard output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            input=stdin,
            text=True,
            capture_output=True,
            timeout=300,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def _wait(self, process: subprocess.Popen[bytes], path: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.url}/{path}", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"The site did not start:\n{self.log.read_text()[-3000:]}")
