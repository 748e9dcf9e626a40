"""Bulk rating through the queue with several workers, against the engine alone in one process.

    python benchmarks/bulk.py --dataset imdb --rows 3000 --rounds 3

Both rate the same rows with the same model, by turns in one run, on PostgreSQL and Redis of their
own. The engine alone has all cores and the rows in memory, in the chunks of the queue; the workers
share the cores, and their time goes from the submission of the file to its result.
"""

import argparse
import csv
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")

from django.conf import settings

from classifier.artefact import open_artefact
from classifier.bulk.chunks import chunks
from classifier.bulk.tables import open_table
from tests.chaos.world import World, until, world
from training.config import DataConfig
from training.data.splits import draw_rows, load_split


def engine_alone(source: Path, model: str) -> None:
    """In a process of its own: warm up, rate all, print the seconds."""
    from classifier.predictor import load_predictor

    predictor = load_predictor(model, models_dir=settings.MODELS_DIR)
    with open_table(source) as table:
        rows = [chunk.texts() for chunk in chunks(table.rows(), "text", max_chars=None)]
    cut = [[text[: settings.CLASSIFIER_READ_CHARS] for text in texts] for texts in rows]
    predictor.classify(cut[0][:16])
    started = time.perf_counter()
    for texts in cut:
        predictor.classify(texts)
    print(json.dumps(time.perf_counter() - started))


def measure_engine(source: Path, model: str, threads: int) -> float:
    done = subprocess.run(
        [sys.executable, __file__, "--engine-alone", str(source), "--model", model],
        env=os.environ | {"OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"},
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(done.stdout.splitlines()[-1])


def measure_queue(w: World, source: Path) -> float:
    """From the submission to the result, in seconds."""
    submit = (
        "from classifier.bulk_jobs.submission import submit\n"
        f"with open({str(source)!r}, 'rb') as file:\n"
        "    job = submit(file, 'reviews.csv', text_column='text', keep_texts=False,"
        " source='command')\n"
        "print(job.pk)"
    )
    pk = w.shell(submit).split()[-1]
    query = (
        "SELECT extract(epoch FROM finished_at - created_at)::float, status, error "
        f"FROM classifier_bulkjob WHERE id = '{pk}' AND finished_at IS NOT NULL"
    )
    rows, _ = until(lambda: w.rows(query), seconds=3600, what="the result")
    ((seconds, status, error),) = rows
    if status != "succeeded":
        raise RuntimeError(error)
    return float(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--dataset", default="imdb")
    parser.add_argument("--split", default="train")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--model", default=settings.CLASSIFIER_MODEL)
    parser.add_argument("--engine-alone", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine_alone:
        return engine_alone(options.engine_alone, options.model)
    model_path = str(open_artefact(options.model, models_dir=settings.MODELS_DIR).directory)
    frame, _ = load_split(
        DataConfig(dataset=options.dataset), options.split, datasets_dir=settings.DATASETS_DIR
    )
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="bulk-") as directory:
        source = Path(directory) / "reviews.csv"
        with source.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text"])
            writer.writerows([text] for text in draw_rows(frame, options.rows, seed=0)["text"])
        with world(
            Path(directory),
            web=False,
            CLASSIFIER_MODEL=model_path,
            OMP_NUM_THREADS=str(max(1, cores // options.workers)),
            JOB_LEASE_SECONDS="60",
        ) as w:
            for number in range(options.workers):
                w.start("worker-bulk", name=f"worker-{number}")
            w.start("beat")
            warm = Path(directory) / "warm.csv"
            table = io.StringIO(source.read_text(encoding="utf-8"), newline="")
            head = list(csv.reader(table))[: 256 * options.workers * 2]
            with warm.open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows(head)
            measure_queue(w, warm)
            ratios = []
            for number in range(options.rounds):
                alone = measure_engine(source, model_path, cores)
                queued = measure_queue(w, source)
                ratios.append(alone / queued)
                print(
                    f"round {number + 1}: engine alone {options.rows / alone:.1f} rows/s, "
                    f"{options.workers} workers {options.rows / queued:.1f} rows/s, "
                    f"ratio {ratios[-1]:.3f}",
                    flush=True,
                )
    print(f"median ratio {statistics.median(ratios):.3f}")


if __name__ == "__main__":
    main()
