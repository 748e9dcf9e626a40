"""What the parts of one POST /api/predict cost inside a worker, in microseconds of CPU.

    python benchmarks/request_path.py --model var/models/NAME

One thread calls the WSGI application, as a thread of gunicorn does; then the same with parts taken
out, and the parts by themselves, by turns. SQLite in a folder that goes away; nothing is answered
from the cache. Parts run faster alone than between others, which push them out of the processor's
caches: their sum is less than the whole.
"""

import argparse
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="a model's directory")
    parser.add_argument("--rounds", type=int, default=5, help="medians are taken (default: 5)")
    parser.add_argument("--calls", type=int, default=300, help="a point (default: 300)")
    options = parser.parse_args()
    datasets = os.environ.get("DATASETS_DIR", str(ROOT / "var" / "datasets"))
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "VAR_DIR": folder,
            "DATASETS_DIR": datasets,
            "DJANGO_SETTINGS_MODULE": "reviewsite.settings",
            "CLASSIFIER_MODEL": str(options.model.resolve()),
            "CLASSIFIER_CACHE_SIZE": "0",
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        measure(options, Path(datasets))


def measure(options: argparse.Namespace, datasets_dir: Path) -> None:
    from reviewsite.wsgi import application  # isort: skip
    from django.core.management import call_command

    from benchmarks.load.texts import draw_corpus
    from classifier import services
    from classifier.api import predict
    from classifier.keeping import keep
    from classifier.models import Prediction
    from classifier.predictor import holder

    call_command("migrate", verbosity=0)
    predictor = holder.get()
    engine: Any = predictor._engine
    corpus = draw_corpus(options.model, datasets_dir=datasets_dir, count=512, seed=0)
    print("| what | " + " | ".join(f"{kind.kind} texts, µs" for kind in corpus.kinds) + " |")
    print("| --- |" + " ---: |" * len(corpus.kinds))
    columns = []
    for kind in corpus.kinds:
        texts = kind.texts
        bodies = [json.dumps({"text": text}).encode() for text in texts]
        windows = [engine._encode(text, None)[0] for text in texts]
        rows = [services.rate([text], source=Prediction.Source.API) for text in texts[:64]]
        read = [engine.read([text]) for text in texts]

        def fresh(number: int, rows: Any = rows) -> list[Prediction]:
            row = rows[number % len(rows)][0]
            fields = {field.attname for field in Prediction._meta.concrete_fields} - {"id"}
            return [Prediction(**{name: getattr(row, name) for name in fields})]

        def stored(number: int, fresh: Any = fresh) -> None:
            keep(fresh(number), predictor)

        def post(number: int, path: str = "/api/predict", bodies: Any = bodies) -> None:
            call(application, path, bodies[number % len(bodies)])

        def without_rating(number: int, path: str, rows: Any = rows, post: Any = post) -> None:
            kept, predict.rate = predict.rate, lambda *_, **__: rows[number % len(rows)]
            try:
                post(number, path)
            finally:
                predict.rate = kept

        def reading_alone(number: int, read: Any = read, texts: Any = texts) -> None:
            kept, engine.read = engine.read, lambda *_: read[number % len(read)]
            try:
                predictor.classify([texts[number % len(texts)]])
            finally:
                engine.read = kept

        parts: dict[str, Callable[[int], Any]] = {
            "the whole request": post,
            "Django, DRF, JSON: the request without its rating": lambda n, f=without_rating: f(
                n, "/api/predict"
            ),
            "the same through the middleware of pages and the routes": lambda n, f=without_rating: (
                f(n, "/api/predict/")
            ),
            "tokenizer": lambda n, t=texts: engine._encode(t[n % len(t)], None),
            "model": lambda n, w=windows: engine._run(w[n % len(w)]),
            "windows to label, score and rating": reading_alone,
            "row made and written, durable": stored,
        }
        columns.append(medians(parts, options.rounds, options.calls))
    for name in columns[0]:
        print(f"| {name} | " + " | ".join(f"{column[name]:,.0f}" for column in columns) + " |")


def call(application: Any, path: str, body: bytes) -> None:
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
    }
    status: list[str] = []
    response = application(environ, lambda line, *_: status.append(line))
    content = b"".join(response)
    response.close()
    if not status[0].startswith("200"):
        raise RuntimeError(f"{path} answers {status[0]}: {content[:200]!r}")


def medians(parts: dict[str, Callable[[int], Any]], rounds: int, calls: int) -> dict[str, float]:
    """Microseconds of CPU a call, medians over rounds in which all parts took their turn."""
    found: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(rounds):
        for name, part in parts.items():
            for number in range(20):
                part(number)
            started = time.process_time()
            for number in range(calls):
                part(number)
            found[name].append((time.process_time() - started) / calls * 1e6)
    return {name: statistics.median(values) for name, values in found.items()}


if __name__ == "__main__":
    main()
