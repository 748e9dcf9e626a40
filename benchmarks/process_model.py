"""Requests per second of every number of workers and threads, against that of the defaults.

    python benchmarks/process_model.py --model starter

For one core, for two and so on up to all: the site and the load that comes from wrk are kept to so
many cores, and every form of the site takes its turn in each round. The defaults are a worker a
core with the threads that reviewsite/gunicorn.py names. Each worker reads one text at a time, with
one inference thread. Where two forms are close, compare them alone and more often:

    python benchmarks/process_model.py --cores 2 --forms 2x8 2x16 4x1 --rounds 6

IMDB and Rotten Tomatoes are looked for in DATASETS_DIR.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")

from django.conf import settings

from benchmarks.load.servers import SERVERS, own_environment, running
from benchmarks.load.texts import Corpus, draw_corpus, write_bodies
from benchmarks.load.wrk import load, require_wrk
from classifier.artefact import open_artefact
from classifier.cores import usable_cores
from reviewsite import gunicorn

THREADS = sorted({1, 2, gunicorn.threads, 16})
WARM_SECONDS = 2
Form = tuple[int, int]  # workers, threads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="starter", help="a name or a directory")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=4, help="of each point (default: 4)")
    parser.add_argument("--rounds", type=int, default=3, help="medians are taken (default: 3)")
    parser.add_argument("--cores", type=int, help="so many alone (default: 1, 2 and so on)")
    parser.add_argument("--forms", type=form_of, nargs="+", help="such as 2x8 (default: a grid)")
    options = parser.parse_args()
    require_wrk()
    model = open_artefact(options.model, models_dir=settings.MODELS_DIR).directory
    corpus = draw_corpus(model, datasets_dir=settings.DATASETS_DIR, count=512, seed=0)
    mine = sorted(os.sched_getaffinity(0))
    print(
        "| cores | workers x threads | long texts/s | of the best | short texts/s | of the best |"
    )
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    powers = [2**power for power in range(usable_cores().bit_length())]
    for cores in [options.cores] if options.cores else powers:
        os.sched_setaffinity(0, mine[:cores])  # all that is started from here inherits it
        print_forms(options, model, corpus, cores)


def form_of(text: str) -> Form:
    """Workers and threads from text such as 2x8."""
    workers, threads = map(int, text.split("x"))
    return workers, threads


def print_forms(options: argparse.Namespace, model: Path, corpus: Corpus, cores: int) -> None:
    """A row for each form on so many cores."""
    workers = sorted({max(1, cores // 2), cores, 2 * cores})
    forms = options.forms or list(itertools.product(workers, THREADS))
    found: dict[Form, dict[str, list[float]]] = {form: {} for form in forms}
    for number in range(options.rounds):
        for form in forms if number % 2 == 0 else reversed(forms):
            for kind, rate in rates(options, model, corpus, form).items():
                found[form].setdefault(kind, []).append(rate)
    medians = {
        form: {kind: statistics.median(rates) for kind, rates in kinds.items()}
        for form, kinds in found.items()
    }
    best = {kind.kind: max(one[kind.kind] for one in medians.values()) for kind in corpus.kinds}
    for form, kinds in medians.items():
        name = f"{form[0]} x {form[1]}"
        if form == (cores, gunicorn.threads):
            name = f"**{name}** (default)"
        cells = " | ".join(f"{rate:.1f} | {rate / best[kind]:.0%}" for kind, rate in kinds.items())
        print(f"| {cores} | {name} | {cells} |", flush=True)


def rates(options: argparse.Namespace, model: Path, corpus: Corpus, form: Form) -> dict[str, float]:
    """Requests per second of one form, started anew, for each kind of text.

    Raises:
        RuntimeError: a request failed.
    """
    workers, threads = form
    with tempfile.TemporaryDirectory(prefix="process-model-") as name:
        folder = Path(name)
        environment = own_environment(folder / "var", model) | {
            "WEB_CONCURRENCY": str(workers),
            "GUNICORN_CMD_ARGS": f"--threads {threads}",
        }
        subprocess.run(
            [sys.executable, "manage.py", "prepare", "--quiet"],
            cwd=ROOT,
            env=environment,
            check=True,
        )
        ours = next(server for server in SERVERS if server.role == "ours")
        found = {}
        with running(
            replace(ours, title=f"{workers} x {threads}"),
            values={},
            environment=environment,
            log=folder / "server.log",
            text=corpus.one_review,
        ) as one:
            for kind in corpus.kinds:
                bodies = write_bodies(folder / f"{kind.kind}.jsonl", kind.texts, ours.body)
                load(one.url, bodies, clients=options.clients, seconds=WARM_SECONDS)
                one.settle()
                point = load(one.url, bodies, clients=options.clients, seconds=options.seconds)
                if point.errors:
                    raise RuntimeError(f"{workers} x {threads}, {kind.kind}: {point.errors}")
                found[kind.kind] = point.requests_per_second
                one.settle()
        return found


if __name__ == "__main__":
    main()
