"""Requests per second, latency, memory and start of this site, against other ways to serve a model.

    python3 -m venv PEERS && PEERS/bin/pip install -r benchmarks/requirements-peers.txt
    python benchmarks/serving.py --peers-python PEERS/bin/python --json figures.json

Ours runs as the Procfile says, stores every rating, and answers none from its cache. The peers
store and check nothing; each is measured out of the box and in the best form that was found for it.
All read the same texts with the same model, by turns: round 1 all servers, round 2 all servers
the other way round, and so on, so that a machine whose speed drifts treats all alike. The load
comes from wrk on the same cores.

IMDB and Rotten Tomatoes are looked for in DATASETS_DIR. With --database-url the memory of the
database is not counted. A server whose packages are not installed is left out and named; one that
fails is named, too, and gives exit status 1.
"""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")

from django.conf import settings

from benchmarks.load.engine import run_engine
from benchmarks.load.fixed import seconds_for
from benchmarks.load.report import Figures, markdown, plot, ratios
from benchmarks.load.servers import (
    CORES,
    PEERS,
    SERVERS,
    Running,
    Server,
    clean_environment,
    missing,
    own_environment,
    running,
)
from benchmarks.load.texts import Corpus, draw_corpus, write_bodies
from benchmarks.load.wrk import load, require_wrk
from classifier.artefact import open_artefact
from classifier.exceptions import ModelNotReady
from training.data.reading import DataError

COMPARED = 64  # texts of each kind whose labels are held against those of transformers
SAME = 0.85  # of them at least; int8 turns the label of a text that stands on the edge
WARM_CLIENTS = 8
LISTS_CLIENTS = (1, 8)
ENGINE_CLIENTS = 32  # the load that is held against the engine alone


@dataclass(frozen=True)
class World:
    """What all measurements share."""

    options: argparse.Namespace
    folder: Path
    """For all that is written on the way; removed at the end."""
    model: Path
    corpus: Corpus
    labels: dict[str, list[str]]
    """What fp32 transformers says of the first texts of each kind; empty without the peers."""

    def values(self, server: Server) -> dict[str, str]:
        return {
            "python": str(self.python(server)),
            "model": str(self.model),
            "peer_model": str(self.folder / "peer-model"),
        }

    def python(self, server: Server) -> Path | None:
        pythons: dict[str, Path | None] = {
            "own": Path(sys.executable),
            "peers": self.options.peers_python,
            "infinity": self.options.infinity_python,
        }
        return pythons[server.home]

    def peer_environment(self) -> dict[str, str]:
        return clean_environment() | {
            "HF_HOME": str(self.folder / "hub"),
            "BENTOML_HOME": str(self.folder / "bentoml"),
            "PEER_MODEL": str(self.model),
            "PEER_INT8": str(self.folder / "int8.onnx"),
        }

    def own_environment(self, var: Path) -> dict[str, str]:
        environment = own_environment(var, self.model)
        if self.options.database_url:
            environment |= {
                "DATABASE_URL": self.options.database_url,
                "SECRET_KEY": "guards nothing in a benchmark, yet is as long as it has to be",
            }
        return environment


def main() -> None:
    options = parse_options()
    if options.list:
        for server in SERVERS:
            print(f"{server.name:18} {server.title}")
        return
    require_wrk()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        run(options)
    except (DataError, ModelNotReady) as error:
        raise SystemExit(str(error)) from None


def run(options: argparse.Namespace) -> None:
    model = open_artefact(options.model, models_dir=settings.MODELS_DIR).directory
    with tempfile.TemporaryDirectory(prefix="serving-") as name:
        world = prepare(options, Path(name), model)
        figures = begin(world, model)
        for number in range(options.rounds):
            order = list(figures["servers"])
            for name in order if number % 2 == 0 else reversed(order):
                measured = figures["servers"][name]
                if measured["status"] == "measured":
                    try:
                        measure(world, figures, name, number)
                    except Exception as error:
                        measured["status"] = f"failed: {type(error).__name__}: {error}"
                        note(f"round {number + 1}, {name}: {measured['status']}")
            write_json(options, figures)  # after each round: a run takes an hour
    print(markdown(figures))
    if options.plot:
        if not ratios(figures):
            raise SystemExit("Nothing is drawn: that takes ours and another, both measured.")
        plot(figures, options.plot)
    if any(one["status"].startswith("failed") for one in figures["servers"].values()):
        sys.exit(1)


def parse_options() -> argparse.Namespace:
    names = [server.name for server in SERVERS]

    def known(value: str) -> list[str]:
        asked = value.split(",")
        if unknown := sorted(set(asked) - set(names)):
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)} is none of {', '.join(names)}")
        return [name for name in names if name in asked]

    def numbers(value: str) -> list[int]:
        return sorted({int(one) for one in value.split(",")})

    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--model", default=settings.CLASSIFIER_MODEL, help="a name or a directory")
    parser.add_argument("--peers-python", type=Path, help="of an environment with the peers")
    parser.add_argument("--infinity-python", type=Path, help="of one with infinity-emb")
    parser.add_argument("--database-url", default="", help="where ours stores; default SQLite")
    parser.add_argument("--only", type=known, default=names, help="servers, with commas")
    parser.add_argument("--list", action="store_true", help="name the servers, and end")
    parser.add_argument("--clients", type=numbers, default=[1, 8, 32, 64], help="with commas")
    parser.add_argument("--seconds", type=float, default=10, help="of each point")
    parser.add_argument("--warm-seconds", type=float, default=2, help="of load before each kind")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--texts", type=int, default=512, help="of each kind")
    parser.add_argument("--list-size", type=int, default=64, help="texts of a list, ours alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write all figures here")
    parser.add_argument("--plot", type=Path, help="draw the ratios here, PNG")
    options = parser.parse_args()
    if options.texts < options.list_size * max(LISTS_CLIENTS):
        parser.error(f"--texts must give {max(LISTS_CLIENTS)} lists of {options.list_size}")
    return options


def prepare(options: argparse.Namespace, folder: Path, model: Path) -> World:
    """Copy the model, draw the texts, write the peers' int8 graph."""
    copy = folder / "models" / model.name
    shutil.copytree(model, copy)
    corpus = draw_corpus(
        copy, datasets_dir=settings.DATASETS_DIR, count=options.texts, seed=options.seed
    )
    world = World(options, folder, copy, corpus, labels={})
    if missing(options.peers_python, ("torch", "transformers", "onnx", "onnxruntime")):
        return world
    note("exporting the model to int8 for the peers")
    asked = [text for kind in corpus.kinds for text in kind.texts[:COMPARED]]
    done = subprocess.run(
        [options.peers_python, PEERS / "export_int8.py", copy, folder],
        env=world.peer_environment(),
        input=json.dumps(asked),
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise SystemExit(f"The int8 graph of the peers was not written:\n{done.stderr[-3000:]}")
    said = iter(json.loads(done.stdout))
    world.labels.update(
        {kind.kind: [next(said) for _ in kind.texts[:COMPARED]] for kind in corpus.kinds}
    )
    inside = folder / "peer-model"
    inside.mkdir()
    for file in copy.iterdir():
        if file.is_file():  # and not our own graph, which the peers cannot read
            shutil.copy(file, inside)
    shutil.copyfile(folder / "int8.onnx", inside / "model_quantized.onnx")
    return world


def begin(world: World, model: Path) -> Figures:
    """The figures, still empty, with the servers that cannot be measured already named."""
    servers: dict[str, dict[str, Any]] = {}
    for server in SERVERS:
        if server.name not in world.options.only:
            continue
        lacks = missing(world.python(server), server.modules)
        if not lacks and server.home == "infinity" and not world.labels:
            lacks = "its int8 graph is written with --peers-python"
        status = f"skipped: {lacks}" if lacks else "measured"
        if lacks:
            note(f"{server.name} is {status}")
        servers[server.name] = {
            "title": server.title,
            "status": status,
            "cold_start": [],
            "memory_mb": [],
            "same_labels": {},
            "loads": [],
        }
    options = {
        key: value if isinstance(value, int | float | list) else str(value)
        for key, value in vars(world.options).items()
        if key not in {"database_url", "peers_python", "infinity_python", "json", "plot", "list"}
    }
    return {
        "machine": {"processor": processor_name(), "cores": CORES, "system": platform.platform()},
        "model": model.name,
        "database": world.options.database_url.partition(":")[0] or "SQLite",
        "options": options,
        "texts": {
            kind.kind: {
                "count": len(kind.texts),
                "mean_tokens": kind.mean_tokens,
                "max_tokens": kind.max_tokens,
            }
            for kind in world.corpus.kinds
        },
        "servers": servers,
        "engine": [],
        "lists": [],
        "one_review": [],
    }


def measure(world: World, figures: Figures, name: str, number: int) -> None:
    """One server in one round: start, all loads of both kinds, memory, stop."""
    server = next(server for server in SERVERS if server.name == name)
    measured = figures["servers"][name]
    folder = world.folder / f"{name}-{number}"
    folder.mkdir()
    environment = world.peer_environment()
    stored = 0
    if server.role == "ours":
        environment = world.own_environment(folder / "var")
        manage(environment, "prepare", "--quiet")
        stored = stored_ratings(environment)
    with running(
        server,
        values=world.values(server),
        environment=environment,
        log=folder / "server.log",
        text=world.corpus.one_review,
    ) as one:
        measured["cold_start"].append(one.cold_start)
        note(f"round {number + 1}, {name}: first answer after {one.cold_start:.2f} s")
        answers = 0
        for kind in world.corpus.kinds:
            compare_labels(world, one, kind.kind, measured)
            bodies = write_bodies(folder / f"{kind.kind}.jsonl", kind.texts, server.body)
            load(one.url, bodies, clients=WARM_CLIENTS, seconds=world.options.warm_seconds)
            for clients in world.options.clients:
                one.settle()
                point = load(one.url, bodies, clients=clients, seconds=world.options.seconds)
                answers += point.requests
                measured["loads"].append(
                    {"round": number, "kind": kind.kind, **dataclasses.asdict(point)}
                )
                note(
                    f"round {number + 1}, {name}, {kind.kind}, {clients} clients: "
                    f"{point.requests_per_second:.1f}/s, p50 {point.p50:.1f} ms"
                    + (f", ERRORS {point.errors}" if point.errors else "")
                )
            one.settle()
            if server.role == "ours":
                measure_engine(world, figures, kind.kind, number, environment)
        measured["memory_mb"].append(one.memory())
        if server.role == "ours":
            measure_lists(world, figures, one, number)
            measure_one_review(world, figures, one, number, folder, environment)
    if server.role == "ours":
        rows = stored_ratings(environment) - stored
        if rows < answers:
            raise RuntimeError(f"ours answered {answers} requests and stored {rows} ratings")


def compare_labels(world: World, one: Running, kind: str, measured: dict[str, Any]) -> None:
    """Ask some texts and hold the labels against those of fp32 transformers, where there are any.

    Raises:
        RuntimeError: too many differ: then what is measured is not this model.
    """
    if not world.labels:
        return
    texts = next(one for one in world.corpus.kinds if one.kind == kind).texts[:COMPARED]
    said = [one.ask(text) for text in texts]
    same = sum(a == b for a, b in zip(said, world.labels[kind], strict=True))
    measured["same_labels"][kind] = f"{same}/{len(texts)}"
    if same < SAME * len(texts):
        raise RuntimeError(f"only {same} of {len(texts)} {kind} texts get the label of the model")


def measure_engine(
    world: World, figures: Figures, kind: str, number: int, environment: dict[str, str]
) -> None:
    """The engine alone, right after the load over HTTP that it is held against."""
    loads = figures["servers"]["ours"]["loads"]
    here = {
        one["clients"]: one["requests_per_second"]
        for one in loads
        if (one["round"], one["kind"]) == (number, kind)
    }
    clients = ENGINE_CLIENTS if ENGINE_CLIENTS in here else max(here)
    texts = world.folder / f"{kind}.json"
    found = next(one for one in world.corpus.kinds if one.kind == kind)
    texts.write_text(json.dumps(found.texts), encoding="utf-8")
    alone = run_engine(
        world.model,
        texts,
        seconds=world.options.seconds,
        processes=CORES,
        environment=environment,
    )
    figures["engine"].append(
        {
            "round": number,
            "kind": kind,
            "engine": alone.texts_per_second,
            "http": here[clients],
            "clients": clients,
        }
    )
    note(
        f"round {number + 1}, engine alone, {kind}: {alone.texts_per_second:.1f} texts/s, "
        f"of which HTTP gives {100 * here[clients] / alone.texts_per_second:.0f} %"
    )


def measure_lists(world: World, figures: Figures, one: Running, number: int) -> None:
    """The same long texts in lists and one by one, from as many clients."""
    size = world.options.list_size
    texts = next(one for one in world.corpus.kinds if one.kind == "long").texts
    texts = texts[: len(texts) // size * size]
    singles = [json.dumps({"text": text}).encode() for text in texts]
    lists = [
        json.dumps({"texts": texts[start : start + size]}).encode()
        for start in range(0, len(texts), size)
    ]
    ways = [("singles", singles), ("lists", lists)]
    for clients in LISTS_CLIENTS:
        found: dict[str, float] = {"round": number, "clients": clients}
        for what, bodies in ways if number % 2 == 0 else reversed(ways):
            found[what] = len(texts) / seconds_for(one.url, bodies, clients=clients)
        figures["lists"].append(found)
        note(
            f"round {number + 1}, {clients} clients: {found['singles']:.1f} reviews/s singly, "
            f"{found['lists']:.1f} in lists of {size}"
        )


def measure_one_review(
    world: World,
    figures: Figures,
    one: Running,
    number: int,
    folder: Path,
    environment: dict[str, str],
) -> None:
    """One client with one review, over HTTP and in the engine alone."""
    review = world.corpus.one_review
    seconds = world.options.seconds
    bodies = write_bodies(folder / "review.jsonl", [review], one.server.body)
    texts = folder / "review.json"
    texts.write_text(json.dumps([review]), encoding="utf-8")
    one.settle()
    http = load(one.url, bodies, clients=1, seconds=seconds)
    if http.errors:
        raise RuntimeError(f"one review, one client: {http.errors}")
    alone = run_engine(world.model, texts, seconds=seconds, processes=1, environment=environment)
    figures["one_review"].append(
        {
            "round": number,
            "http_p50": http.p50,
            "http_p99": http.p99,
            "engine_p50": alone.p50,
            "engine_p99": alone.p99,
        }
    )


def manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise RuntimeError(f"manage.py {arguments[0]}: {done.stdout}{done.stderr}"[-2000:])
    return done.stdout


def stored_ratings(environment: dict[str, str]) -> int:
    count = "from classifier.models import Prediction; print(Prediction.objects.count())"
    return int(manage(environment, "shell", "--no-imports", "-c", count).split()[-1])


def write_json(options: argparse.Namespace, figures: Figures) -> None:
    if options.json:
        figures = figures | {"ratios": ratios(figures)}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def processor_name() -> str:
    """As Linux calls it; elsewhere what Python knows."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def note(line: str) -> None:
    """How it goes, beside the result."""
    print(time.strftime("%H:%M:%S"), line, file=sys.stderr, flush=True)


def end(number: int, frame: object) -> NoReturn:
    """Leave every `with` on the way out: each ends the processes that it started."""
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
