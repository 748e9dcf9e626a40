"""Redis and PostgreSQL of a test's own: servers that it may stop, kill, empty and restart."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import redis

from tests.gates import missing
from tests.site import free_port

START_SECONDS = 30


@dataclass
class RedisServer:
    """A Redis that keeps nothing on disk."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    password: str = ""
    tls: Mapping[str, Path | str] = field(default_factory=dict)
    """Of its configuration, such as `tls-cert-file`; with it, it has no port without TLS."""
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        return f"{'rediss' if self.tls else 'redis'}://{login}{self.host}:{self.port}/0"

    def client(self) -> Any:
        secured: dict[str, Any] = {
            option: str(self.tls[name])
            for option, name in (
                ("ssl_ca_certs", "tls-ca-cert-file"),
                ("ssl_certfile", "tls-cert-file"),
                ("ssl_keyfile", "tls-key-file"),
            )
            if name in self.tls
        }
        if secured:
            secured["ssl_check_hostname"] = False  # it may be of any name
        return redis.Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=2, **secured)

    def start(self) -> None:
        program = shutil.which("redis-server") or missing("SERVICES", "redis-server is not there.")
        options = {
            **{"bind": self.host, "port": str(self.port), "dir": str(self.folder)},
            **{"save": "", "appendonly": "no", "protected-mode": "no"},
            **({"requirepass": self.password} if self.password else {}),
        }
        if self.tls:
            options |= {"port": "0", "tls-port": str(self.port), "tls-auth-clients": "no"}
            options |= {name: str(value) for name, value in self.tls.items()}
        arguments = [part for key, value in options.items() for part in (f"--{key}", value)]
        self.process = subprocess.Popen([program, *arguments], stdout=subprocess.DEVNULL)
        _wait(lambda: self.client().ping())

    def stop(self) -> None:
        """At once, as a crash: what is in memory is gone."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """It takes connections, and never answers."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGCONT)


@dataclass
class PostgreSQLServer:
    """A cluster of its own; the server refuses root, so then it is the user postgres."""

    host: str = "127.0.0.1"
    port: int = field(default_factory=free_port)
    # Not in the folder of a test: that one is closed to other users.
    data: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="postgresql-")))

    @property
    def url(self) -> str:
        return f"postgres://postgres@{self.host}:{self.port}/reviewsite"

    def create(self) -> None:
        if os.getuid() == 0:
            shutil.chown(self.data, "postgres", "postgres")
        self._run("initdb", "--auth", "trust", "--username", "postgres", "--no-sync")
        with (self.data / "pg_hba.conf").open("a") as access:
            access.write("host all all 0.0.0.0/0 trust\n")
        self.start()
        with psycopg.connect(self.url.replace("/reviewsite", "/postgres"), autocommit=True) as made:
            made.execute("CREATE DATABASE reviewsite")

    def start(self) -> None:
        options = f"-c listen_addresses={self.host} -p {self.port} -k {self.data}"
        log = self.data / "log"
        self._run("pg_ctl", "--wait", "--log", str(log), "--options", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """As pg_ctl does: `immediate` is a crash, after which it recovers from its log."""
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "--wait", "--mode", mode, "stop")

    def _run(self, program: str, *arguments: str) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
        path = str(found[-1]) if found else shutil.which(program)
        if path is None:
            missing("SERVICES", f"{program} of PostgreSQL is not there.")
        done = subprocess.run(
            [path, "--pgdata", str(self.data), *arguments],
            user="postgres" if os.getuid() == 0 else None,
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{program}: {done.stdout}"


@contextlib.contextmanager
def own_redis(folder: Path, **options: Any) -> Iterator[RedisServer]:
    server = RedisServer(folder, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def own_postgresql(**options: Any) -> Iterator[PostgreSQLServer]:
    server = PostgreSQLServer(**options)
    try:
        server.create()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.data)


def _wait(answers: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            answers()
        except (redis.RedisError, OSError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return
