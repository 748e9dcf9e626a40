"""Eight threads ask one predictor for texts of all lengths, alone and in lists.

    python tests/chaos/compare_answers.py --requests 100000

Every answer is compared with that of one thread that asked first, for each engine. Exits 1 where
one differs.

--plant shared gives all threads one tokenizer and changes its truncation between requests, as
servers do that share a pipeline's; then answers must differ.
"""

import argparse
import random
import sys
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

import os  # noqa: E402

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import django  # noqa: E402

django.setup()

from classifier.artefact import open_artefact  # noqa: E402
from classifier.engines.onnx_runtime import OnnxEngine  # noqa: E402
from classifier.onnx_export import export_model  # noqa: E402
from classifier.predictor import Predictor, open_predictor  # noqa: E402
from tests import tiny  # noqa: E402
from tests.chaos.findings import report  # noqa: E402

TEXTS = 400
LIST = 8
CLOSE = 1e-6  # of P(POSITIVE): the torch engine adds up in another order in a batch
SHARES = {"onnx": 0.8, "torch": 0.2}  # of the requests


def texts(seed: int) -> list[str]:
    rng = random.Random(seed)
    return [tiny.sentence(number % 2, rng, rng.randint(2, 90)) for number in range(TEXTS)]


def plant_shared(engine: OnnxEngine) -> None:
    """The fault of a tokenizer whose settings are those of whoever set them last."""
    shared, read = engine._single, engine._encode

    def careless(text: str, pair: str | None) -> object:
        shared.enable_truncation(max_length=random.choice((4, 8, 16)))
        return read(text, pair)

    engine._encode = careless  # type: ignore[method-assign,assignment]


def answer(predictor: Predictor, asked: Sequence[str]) -> list[float]:
    """P(POSITIVE) of each text."""
    return [float(said.positive_probability or 0) for said in predictor.classify(asked)]


def wrong_answers(predictor: Predictor, oracle: dict[str, float], requests: int, seed: int) -> int:
    """How many of so many requests of eight threads are answered otherwise than before."""
    wrong, lock = 0, threading.Lock()
    known = list(oracle)

    def ask(thread: int) -> None:
        nonlocal wrong
        rng = random.Random(seed * 1000 + thread)
        found = 0
        for _ in range(requests // 8):
            asked = [rng.choice(known)]
            if rng.random() < 0.05:
                asked = rng.sample(known, LIST)
            found += any(
                abs(said - oracle[text]) > CLOSE
                for text, said in zip(asked, answer(predictor, asked), strict=True)
            )
        with lock:
            wrong += found

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(ask, range(8)))
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--plant", choices=["none", "shared"], default="none")
    options = parser.parse_args(arguments)
    wrong, tried = {}, 0
    with tempfile.TemporaryDirectory(prefix="compare-answers-") as directory:
        model = tiny.write_classifier(Path(directory) / "tiny")
        export_model(model)
        for kind, share in SHARES.items():
            predictor = open_predictor(
                open_artefact(model, models_dir=model.parent),
                engine=kind,
                device="cpu",
                rating="auto",
            )
            oracle = {text: answer(predictor, [text])[0] for text in texts(options.seed)}
            if options.plant == "shared" and isinstance(predictor.engine, OnnxEngine):
                plant_shared(predictor.engine)
            count = int(options.requests * share)
            wrong[kind] = wrong_answers(predictor, oracle, count, options.seed)
            tried += count
    sys.stdout.write(
        report(
            "T10",
            unit="requests",
            tried=tried,
            failures=sum(wrong.values()),
            target="every answer that of one thread alone",
            figures={f"wrong, {kind}": count for kind, count in wrong.items()},
        )
    )
    return 1 if any(wrong.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
