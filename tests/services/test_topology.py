"""The services of compose.yaml as deploy/up starts them, real and on ports of their own."""

import gzip
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.gates import missing
from tests.site import NOT_INHERITED, ROOT, START_SECONDS, STOP_SECONDS, free_port

HOST = "reviews.example"
FRONT = "127.0.0.2"  # what ends HTTPS in front of nginx; nginx believes it alone
STRANGER = "127.0.0.1"
REDIS_PASSWORD = "guards nothing but the queue of a test".replace(" ", "")
SLOW_CLIENTS = 50

Process = tuple[int, str]  # its id, and when it started: an id is given again


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass
class Topology:
    folder: Path
    model: Path
    ports: dict[str, int] = field(
        default_factory=lambda: {
            name: free_port() for name in ("nginx", "web", "redis", "postgres")
        }
    )
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self, until: str = "/readyz") -> None:
        """Start all of it and wait until this path answers 200."""
        inherited = {key: value for key, value in os.environ.items() if key not in NOT_INHERITED}
        environment = {
            **inherited,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DEPLOY_DIR": str(self.folder),
            "ALLOWED_HOSTS": HOST,
            "SECRET_KEY": "a secret that guards nothing, for a site that goes away",
            "POSTGRES_PASSWORD": "guardsnothingeither",
            "REDIS_PASSWORD": REDIS_PASSWORD,
            "HTTPS": "true",
            "TRUSTED_PROXY": FRONT,
            "CLASSIFIER_MODEL": str(self.model),
            "WEB_CONCURRENCY": "1",
            "NGINX_LISTEN": f"127.0.0.1:{self.ports['nginx']}",
            "WEB_PORT": str(self.ports["web"]),
            "REDIS_PORT": str(self.ports["redis"]),
            "POSTGRES_PORT": str(self.ports["postgres"]),
        }
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [ROOT / "deploy" / "up"], cwd=ROOT, env=environment, stdout=output, stderr=output
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.ask("GET", until).status == 200:
                    return
            except OSError:
                pass  # nginx does not listen yet
            time.sleep(0.1)
        raise RuntimeError(f"It did not start:\n{self.said()[-3000:]}")

    def stop(self) -> None:
        """As a supervisor does; and whatever it leaves is killed."""
        if self.process and self.process.poll() is None:
            alive = self.processes()
            self.process.terminate()
            try:
                self.process.wait(timeout=STOP_SECONDS)
            finally:
                for pid, _ in left_of(alive):
                    os.kill(pid, signal.SIGKILL)
                self.process.wait()

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def processes(self) -> set[Process]:
        """All that run, however far they are from deploy/up."""
        assert self.process
        found, waiting = set(), [self.process.pid]
        while waiting:
            pid = waiting.pop()
            if started := start_of(pid):
                found.add((pid, started))
                for children in Path(f"/proc/{pid}/task").glob("*/children"):
                    waiting += map(int, children.read_text().split())
        return found

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        source: str = FRONT,
        **headers: str,
    ) -> Reply:
        """A request to nginx; from FRONT, as over HTTPS."""
        sent = {"Host": HOST, **({"X-Forwarded-Proto": "https"} if source == FRONT else {})}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.ports["nginx"], timeout=20, source_address=(source, 0)
        )
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def predict(self, text: str) -> Reply:
        body = json.dumps({"text": text}).encode()
        return self.ask("POST", "/api/predict", body, Content_Type="application/json")


def start_of(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def left_of(processes: set[Process]) -> set[Process]:
    return {(pid, started) for pid, started in processes if start_of(pid) == started}


@pytest.fixture(scope="module")
def topology(exported_model_dir: Path) -> Iterator[Topology]:
    programs = ["redis-server", "nginx", *(["setpriv"] if os.geteuid() == 0 else [])]
    for program in programs:
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin"):
            missing("SERVICES", f"{program} is not installed.")
    if not (shutil.which("initdb") or [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]):
        missing("SERVICES", "PostgreSQL's server is not installed.")
    # Not pytest's own folder: PostgreSQL and nginx may run as users who cannot enter that.
    folder = Path(tempfile.mkdtemp(prefix="topology."))
    folder.chmod(0o711)
    topology = Topology(folder, exported_model_dir)
    try:
        topology.start()
        yield topology
    finally:
        topology.stop()
        shutil.rmtree(folder)


def test_a_review_is_rated_over_the_api(topology: Topology) -> None:
    reply = topology.predict("a superb film")
    assert reply.status == 200
    assert json.loads(reply.body)["label"] == "POSITIVE"


def test_a_review_is_rated_in_the_form(topology: Topology) -> None:
    form = topology.ask("GET", "/")
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', form.body)
    assert token
    assert "; Secure" in form.headers["Set-Cookie"]
    fields = {"csrfmiddlewaretoken": token[1].decode(), "text": "a lovely evening"}
    answer = topology.ask(
        "POST",
        "/",
        urlencode(fields).encode(),
        Content_Type="application/x-www-form-urlencoded",
        Cookie=form.headers["Set-Cookie"].partition(";")[0],
        Origin=f"https://{HOST}",
    )
    assert (answer.status, "/predictions/" in answer.headers["Location"]) == (302, True)
    assert b"a lovely evening" in topology.ask("GET", answer.headers["Location"]).body


def test_nginx_refuses_a_large_body_in_the_shape_of_the_api(topology: Topology) -> None:
    for path in ("/api/predict", "/label-studio/predict"):
        reply = topology.ask("POST", path, b" " * 5_000_000, Content_Type="application/json")
        assert reply.status == 413
        assert reply.headers["Server"] == "nginx"
        error = json.loads(reply.body)["error"]
        assert error.keys() == {"code", "field", "rule", "value", "remedy"}
    # Here it is for Django to say what it is: nginx lets a file of reviews pass.
    reply = topology.ask("POST", "/api/bulk-of-nothing", b" " * 5_000_000)
    assert reply.status != 413


def test_slow_clients_do_not_stop_the_site(topology: Topology) -> None:
    beginnings = (
        f"GET / HTTP/1.1\r\nHost: {HOST}\r\nX-".encode(),
        f"POST /api/predict HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 999\r\n\r\n{{".encode(),
    )
    with ExitStack() as stack:
        for beginning in beginnings:
            for _ in range(SLOW_CLIENTS // len(beginnings)):
                client = socket.create_connection(("127.0.0.1", topology.ports["nginx"]))
                stack.enter_context(client)
                client.sendall(beginning)
        started = time.monotonic()
        for _ in range(5):
            assert topology.predict("good").status == 200
        assert time.monotonic() - started < 8  # before nginx gives any of them up


def test_static_files_arrive_compressed_and_to_be_kept(topology: Topology) -> None:
    page = topology.ask("GET", "/").body.decode()
    path = re.search(r'"(/static/[^"]+\.css)"', page)
    assert path
    reply = topology.ask("GET", path[1], Accept_Encoding="gzip")
    assert (reply.status, reply.headers["Content-Encoding"]) == (200, "gzip")
    assert "immutable" in reply.headers["Cache-Control"]
    assert gzip.decompress(reply.body) == topology.ask("GET", path[1]).body


def test_an_answer_is_compressed(topology: Topology) -> None:
    for path in ("/", "/api/schema"):
        reply = topology.ask("GET", path, Accept_Encoding="gzip")
        assert (reply.status, reply.headers["Content-Encoding"]) == (200, "gzip"), path


def test_headers_that_protect_pass_the_proxy(topology: Topology) -> None:
    headers = topology.ask("GET", "/admin/login/").headers
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "max-age=31536000" in headers["Strict-Transport-Security"]
    assert headers["Server"] == "nginx"  # no version


def test_https_is_believed_of_the_trusted_proxy_alone(topology: Topology) -> None:
    assert topology.ask("GET", "/").status == 200
    plain = topology.ask("GET", "/", X_Forwarded_Proto="http")
    assert (plain.status, plain.headers["Location"]) == (301, f"https://{HOST}/")
    names = {"X_Forwarded_Proto": "https", "X_Forwarded_Ssl": "on", "Forwarded": "proto=https"}
    assert topology.ask("GET", "/", None, source=STRANGER, **names).status == 301


def test_the_access_log_says_who_asked_and_not_for_what(topology: Topology) -> None:
    topology.ask("GET", "/livez?q=a-review", X_Forwarded_For="198.51.100.1, 203.0.113.7")
    topology.ask("GET", "/livez?q=a-review", source=STRANGER, X_Forwarded_For="203.0.113.8")
    topology.predict("a review that no log holds")
    deadline = time.monotonic() + STOP_SECONDS
    while '"path": "/api/predict", "status": "200"' not in topology.said().rpartition("livez")[2]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    said = topology.said()
    assert '"client": "203.0.113.7", "method": "GET", "path": "/livez"' in said
    assert f'"client": "{STRANGER}", "method": "GET", "path": "/livez"' in said
    assert "203.0.113.8" not in said
    assert "a-review" not in said
    assert "a review that no log holds" not in said


def test_redis_wants_its_password_and_forgets_nothing(topology: Topology) -> None:
    port = topology.ports["redis"]
    with (
        redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.ping()
    with redis.Redis(port=port, password=REDIS_PASSWORD) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("append*")["appendonly"] == "yes"
    processes = [Path(f"/proc/{pid}/cmdline") for pid, _ in topology.processes()]
    assert not any(REDIS_PASSWORD.encode() in path.read_bytes() for path in processes)


def test_the_container_s_health_check_asks_the_web_process(topology: Topology) -> None:
    check = [sys.executable, str(ROOT / "deploy" / "healthy.py")]
    subprocess.run(check, env={"BIND": f"0.0.0.0:{topology.ports['web']}"}, check=True)
    done = subprocess.run(check, env={"BIND": f"0.0.0.0:{free_port()}"}, capture_output=True)
    assert done.returncode == 1
    assert b"Nothing answers" in done.stderr


def test_all_of_it_ends_when_told_and_nothing_is_left(topology: Topology) -> None:
    alive = topology.processes()
    assert len(alive) > 15
    assert topology.process
    topology.process.terminate()
    started = time.monotonic()
    topology.process.wait(timeout=STOP_SECONDS)
    assert time.monotonic() - started < 10
    assert wait_for_the_end_of(alive) == set()
    said = topology.said()
    for name in ("nginx", "web", "worker-training", "worker-bulk-1", "worker-bulk-2", "beat"):
        assert f"{name}.1 stopped (rc=0)" in said
    for name in ("redis", "postgres"):
        assert f"{name}.1 stopped (rc=0)" in said
    for alarm in ("Traceback", "SIGKILL", "DuplicateNodename"):
        assert alarm not in said


def test_it_starts_again_with_its_data_and_one_that_dies_ends_all(topology: Topology) -> None:
    kept = topology.folder / "postgres" / "PG_VERSION"
    made = kept.stat().st_mtime_ns
    topology.stop()
    topology.model = topology.folder / "no-model"  # which is quicker
    topology.start(until="/livez")
    assert kept.stat().st_mtime_ns == made
    alive = topology.processes()
    assert topology.process
    master = re.findall(r"web\.1 started \(pid=(\d+)\)", topology.said())[-1]
    os.kill(int(master), signal.SIGKILL)
    topology.process.wait(timeout=STOP_SECONDS)
    assert topology.process.returncode != 0
    assert wait_for_the_end_of(alive) == set()


def wait_for_the_end_of(processes: set[Process]) -> set[Process]:
    """Those that are left after some seconds: gunicorn's workers see within one that it is gone."""
    deadline = time.monotonic() + STOP_SECONDS
    while (left := left_of(processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left
