"""The engine of ours without HTTP, in processes of its own: the limit that the site stands under.

As a script it is one such process: it loads the model, says "ready", and after a line on its
standard input rates one text after the other.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
WARM_TEXTS = 20


@dataclass(frozen=True)
class EngineRun:
    texts_per_second: float
    """Of all processes together."""
    p50: float  # ms a text, over all processes, as p99
    p99: float


def run_engine(
    model: Path, texts: Path, *, seconds: float, processes: int, environment: dict[str, str]
) -> EngineRun:
    """`processes` of one thread each, rating the same texts one at a time at the same time.

    Args:
        texts: a JSON list; each process starts at another place of it.

    Raises:
        RuntimeError: a process failed; its error stands on standard error.
    """
    with ExitStack() as stack:
        started = []
        for number in range(processes):
            command = [sys.executable, __file__, str(model), str(texts)]
            command += ["--seconds", str(seconds), "--start", str(number / processes)]
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=environment | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
                start_new_session=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            started.append(process)
        for process in started:
            _line(process, "ready")
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        latencies = [json.loads(_line(process, "[")) for process in started]
    every = sorted(latency for one in latencies for latency in one)
    return EngineRun(
        texts_per_second=sum(1000 * len(one) / sum(one) for one in latencies),
        p50=statistics.median(every),
        p99=every[int(0.99 * (len(every) - 1))],
    )


def _line(process: "subprocess.Popen[str]", start: str) -> str:
    """The next line of its output that begins so."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(start):
            return line
    raise RuntimeError(f"The engine's process ended with {process.wait()}; its error stands above.")


def main() -> None:
    """One process: print the milliseconds of each text."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--start", type=float, required=True, help="0 to 1: where in the texts")
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reviewsite.settings")
    import django
    from django.conf import settings

    django.setup()

    from classifier.predictor import load_predictor

    predictor = load_predictor(options.model, models_dir=settings.MODELS_DIR)
    texts = json.loads(options.texts.read_text(encoding="utf-8"))
    turn = int(options.start * len(texts))
    for text in texts[:WARM_TEXTS]:
        predictor.classify([text])
    print("ready", flush=True)
    sys.stdin.readline()
    latencies = []
    end = time.perf_counter() + options.seconds
    while (started := time.perf_counter()) < end:
        predictor.classify([texts[turn % len(texts)]])
        latencies.append(1000 * (time.perf_counter() - started))
        turn += 1
    print(json.dumps(latencies), flush=True)


if __name__ == "__main__":
    main()
