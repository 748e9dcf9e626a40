"""The servers that are compared, and one of them at work: started, asked, weighed, stopped."""

import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tests.site import NOT_INHERITED, ROOT, command, free_port

PEERS = ROOT / "benchmarks" / "peers"
CORES = len(os.sched_getaffinity(0))
START_SECONDS = 90
STOP_SECONDS = 10
POLL_SECONDS = 0.005
SETTLE_SECONDS = 120
# What the machine's operator has set for a site says nothing of those measured here.
UNSET = {*NOT_INHERITED, "DEBUG", "ALLOWED_HOSTS", "WEB_CONCURRENCY", "OMP_NUM_THREADS"}


def _text(text: str) -> object:
    return {"text": text}


def _label(answer: Any) -> str:
    return str(answer["label"])


@dataclass(frozen=True)
class Server:
    """How one of them is started and spoken to.

    The command's {python} is the interpreter of its environment, {port} a free port, {model} the
    model's directory and {peer_model} a copy of it with the int8 graph inside.
    """

    name: str
    title: str
    command: tuple[str, ...]
    path: str = "/predict"
    environment: dict[str, str] = field(default_factory=dict)
    home: str = "peers"
    """Whose Python: own, peers or infinity."""
    modules: tuple[str, ...] = ()
    """What that Python must be able to import."""
    body: Callable[[str], object] = _text
    label: Callable[[Any], str] = _label
    role: str = "peer"
    """ours, plain (Django), peer, or reference: a view around the peers' best engine."""


ONE_THREAD = {"OMP_NUM_THREADS": "1"}
ALL_THREADS = {"OMP_NUM_THREADS": str(CORES)}
PIPELINE = {"PEER_ENGINE": "pipeline"}
INT8 = {"PEER_ENGINE": "int8", **ONE_THREAD}
TORCH = ("torch", "transformers")
ONNX = ("onnxruntime", "tokenizers")


def _gunicorn(workers: int) -> tuple[str, ...]:
    return (
        *("{python}", "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--timeout", "120"),
        *("--workers", str(workers), "django_app:application"),
    )


def _litserve(workers: int, batch: int) -> tuple[str, ...]:
    return ("{python}", "litserve_app.py", "{port}", str(workers), str(batch))


def _bentoml(service: str) -> tuple[str, ...]:
    return (
        *("{python}", "-m", "bentoml", "serve", f"bentoml_app:{service}"),
        *("--host", "127.0.0.1", "--port", "{port}"),
    )


def _infinity(engine: str, model: str) -> Server:
    def body(text: str) -> object:
        return {"model": "review", "input": [text]}

    def label(answer: Any) -> str:
        return str(max(answer["data"][0], key=lambda one: one["score"])["label"])

    return Server(
        name=f"infinity-{engine}",
        title=f"infinity-emb, {engine}" + (" int8" if engine == "optimum" else ""),
        command=(
            *("{python}", "infinity_app.py", model),
            *("--served-model-name", "review", "--engine", engine),
            *("--device", "cpu", "--host", "127.0.0.1", "--port", "{port}"),
            # Its warm-up reads a text of more than 512 tokens, at which the optimum engine fails.
            *("--log-level", "warning", "--no-model-warmup"),
        ),
        path="/classify",
        environment=ALL_THREADS,
        home="infinity",
        modules=("infinity_emb", "torch", *(("optimum",) if engine == "optimum" else ())),
        body=body,
        label=label,
    )


SERVERS = (
    Server(
        name="ours",
        title="ours, every rating stored",
        command=tuple(command("web")),
        path="/api/predict",
        home="own",
        role="ours",
    ),
    Server(
        name="django",
        title=f"Django + pipeline, {CORES} workers x 1 thread",
        command=_gunicorn(CORES),
        environment={**PIPELINE, **ONE_THREAD},
        modules=("django", "gunicorn", *TORCH),
        role="plain",
    ),
    Server(
        name="django-1",
        title=f"Django + pipeline, 1 worker x {CORES} threads",
        command=_gunicorn(1),
        environment={**PIPELINE, **ALL_THREADS},
        modules=("django", "gunicorn", *TORCH),
        role="plain",
    ),
    Server(
        name="fastapi",
        title=f"FastAPI + pipeline, {CORES} workers x 1 thread",
        command=(
            *("{python}", "-m", "uvicorn", "--workers", str(CORES), "--port", "{port}"),
            *("--log-level", "warning", "--no-access-log", "fastapi_app:app"),
        ),
        environment={**PIPELINE, **ONE_THREAD},
        modules=("fastapi", "uvicorn", *TORCH),
    ),
    Server(
        name="litserve-torch",
        title="LitServe, torch, batch 32",
        command=_litserve(1, 32),
        environment={**PIPELINE, **ALL_THREADS},
        modules=("litserve", *TORCH),
    ),
    Server(
        name="litserve-int8",
        title=f"LitServe, int8 x {CORES} workers",
        command=_litserve(CORES, 1),
        environment=INT8,
        modules=("litserve", *ONNX),
    ),
    Server(
        name="bentoml-torch",
        title="BentoML, torch, batch 32",
        command=_bentoml("Batched"),
        environment={**PIPELINE, **ALL_THREADS, "PEER_WORKERS": "1"},
        modules=("bentoml", *TORCH),
        body=lambda text: {"texts": [text]},
        label=lambda answer: _label(answer[0]),
    ),
    Server(
        name="bentoml-int8",
        title=f"BentoML, int8 x {CORES} workers",
        command=_bentoml("Single"),
        environment={**INT8, "PEER_WORKERS": str(CORES)},
        modules=("bentoml", *ONNX),
    ),
    _infinity("torch", "{model}"),
    _infinity("optimum", "{peer_model}"),
    Server(
        name="django-int8",
        title=f"bare Django view + int8, {CORES} workers x 1 thread",
        command=_gunicorn(CORES),
        environment=INT8,
        modules=("django", "gunicorn", *ONNX),
        role="reference",
    ),
)


def clean_environment() -> dict[str, str]:
    """This process's, without what would steer a server."""
    steering = ("CLASSIFIER_", "PEER_", "JOB_", "BULK_")
    kept = {
        key: value
        for key, value in os.environ.items()
        if key not in UNSET and not key.startswith(steering)
    }
    quiet = {
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "BENTOML_DO_NOT_TRACK": "1",
        "DO_NOT_TRACK": "1",
        "INFINITY_ANONYMOUS_USAGE_STATS": "0",
    }
    return kept | quiet


def own_environment(var: Path, model: Path) -> dict[str, str]:
    """That of ours: a deployment that keeps all under `var`, and answers none from its cache."""
    return clean_environment() | {
        "VAR_DIR": str(var),
        "DJANGO_SETTINGS_MODULE": "reviewsite.settings",
        "CLASSIFIER_MODEL": str(model),
        "CLASSIFIER_CACHE_SIZE": "0",
        "DEBUG": "false",
        "HTTPS": "false",
    }


def missing(python: Path | None, modules: tuple[str, ...]) -> str:
    """Why a server cannot be started; nothing if it can."""
    if python is None:
        return "no interpreter is named for it"
    if not python.is_file():
        return f"there is no {python}"
    look = (
        "import importlib.util, sys\n"
        "print(*[name for name in sys.argv[1:] if importlib.util.find_spec(name) is None])"
    )
    done = subprocess.run(
        [python, "-c", look, *modules], capture_output=True, text=True, check=True
    )
    return f"not installed: {done.stdout.strip()}" if done.stdout.strip() else ""


@dataclass
class Running:
    """A server that has answered."""

    server: Server
    port: int
    process: subprocess.Popen[bytes]
    cold_start: float = float("nan")
    """Seconds from the start of its process to its first answer."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.server.path}"

    def ask(self, text: str) -> str:
        """The label it gives.

        Raises:
            RuntimeError: it answered something other than 200.
            OSError, http.client.HTTPException: it did not answer.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        try:
            body = json.dumps(self.server.body(text))
            connection.request("POST", self.server.path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{self.url} answered {answer.status}: {content[:300]!r}")
        return self.server.label(json.loads(content))

    def tree(self) -> list[psutil.Process]:
        try:
            root = psutil.Process(self.process.pid)
            return [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def memory(self) -> float:
        """MB of all its processes, a page that several share counted once."""
        kilobytes = 0
        for process in self.tree():
            try:
                rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
            except (FileNotFoundError, ProcessLookupError):  # it has ended since
                continue
            line = next(line for line in rollup.splitlines() if line.startswith("Pss:"))
            kilobytes += int(line.split()[1])
        return kilobytes * 1024 / 1e6

    def settle(self) -> None:
        """Wait until it has done what clients left behind when they went.

        Raises:
            RuntimeError: it goes on computing.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        before = self._cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(0.25)
            now = self._cpu_seconds()
            if now - before <= 0.05:  # a fifth of a core; loops that wait take less
                return
            before = now
        raise RuntimeError(f"{self.server.name} does not come to rest after a load.")

    def _cpu_seconds(self) -> float:
        total = 0.0
        for process in self.tree():
            try:
                times = process.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return total


@contextmanager
def running(
    server: Server, *, values: dict[str, str], environment: dict[str, str], log: Path, text: str
) -> Iterator[Running]:
    """The server from its start to its stop, with all its processes.

    Args:
        values: for the fields of its command, but {port}.
        environment: all of it, but what the server itself asks for and, for ours, BIND.
        text: what it is asked until it answers.

    Raises:
        RuntimeError: it ends or does not answer; with the end of its log.
    """
    port = free_port()
    arguments = [part.format(port=port, **values) for part in server.command]
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            arguments,
            cwd=ROOT if server.home == "own" else PEERS,
            env=environment | server.environment | {"BIND": f"127.0.0.1:{port}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # so that all it starts can be ended with it
        )
    one = Running(server, port, process)
    try:
        _wait_for_answer(one, text, log)
        one.cold_start = time.perf_counter() - started
        try:
            yield one
        except Exception as error:
            if (ended := process.poll()) is not None:
                said = f"{server.name} ended with {ended} under load:\n{_end_of(log)}"
                raise RuntimeError(said) from error
            raise
    finally:
        _stop(one)


def _wait_for_answer(one: Running, text: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    said = "nothing"
    while time.monotonic() < deadline and one.process.poll() is None:
        try:
            one.ask(text)
            return
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            said = str(error)
        time.sleep(POLL_SECONDS)
    ended = one.process.poll()
    how = "does not answer" if ended is None else f"ended with {ended}"
    raise RuntimeError(f"{one.server.name} {how} ({said}):\n{_end_of(log)}")


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-800:]


def _stop(one: Running) -> None:
    """Ask it to end, and end what does not; also those of its processes that left its group."""
    tree = one.tree()
    _signal_group(one.process.pid, signal.SIGTERM)
    _, alive = psutil.wait_procs(tree, timeout=STOP_SECONDS)
    _signal_group(one.process.pid, signal.SIGKILL)
    for process in alive:
        if process.is_running():
            process.kill()
    one.process.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
