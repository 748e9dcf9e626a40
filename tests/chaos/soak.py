"""An hour of requests of all sizes: do memory, open files or waiting times grow?

    python tests/chaos/soak.py --minutes 60

Two workers on the starter model are asked by clients without pause: single texts and lists of 1 to
32, of 4 to 512 tokens, explained now and then, and one invalid request in each five minutes, which
must get 400. What the processes hold is read every ten seconds (proportional set size). Exits 1
where memory after the warm-up grows by more than 5 % or by more than 1 MB in 1,000 requests, open
files do, the slowest hundredth of the last quarter takes more than 10 % longer than that of the
first, or any request failed.

--plant leak keeps 20 kB of each request; memory must then be seen to grow.
"""

import argparse
import http.client
import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests import tiny  # noqa: E402
from tests.chaos.findings import report  # noqa: E402
from tests.site import Site  # noqa: E402

GROWTH = 0.05  # of memory after the warm-up
SLOPE = 1.0  # MB in 1,000 requests
DRIFT = 0.10  # of the slowest hundredth
SAMPLE_SECONDS = 10.0
INVALID_SECONDS = 300.0
LEAK = """
from reviewsite.wsgi import application as _application
_kept = []
def application(environ, start_response):
    _kept.append(bytearray(20_000))
    return _application(environ, start_response)
"""


@dataclass(frozen=True)
class Answered:
    at: float
    seconds: float
    single: bool


class Client(threading.Thread):
    """Asks for ratings without pause over connections of twenty requests."""

    def __init__(self, site: Site, ended: threading.Event, seed: int) -> None:
        super().__init__(daemon=True)
        self.address, self.ended = urlsplit(site.url), ended
        self.rng = random.Random(seed)
        self.answered: list[Answered] = []
        self.failed: list[str] = []

    def run(self) -> None:
        while not self.ended.is_set():
            connection = http.client.HTTPConnection(self.address.netloc, timeout=120)
            try:
                for _ in range(20):
                    self._ask(connection)
                    if self.ended.is_set():
                        break
            except Exception as error:
                self.failed.append(repr(error))
            finally:
                connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> None:
        body, single = self._body()
        started = time.monotonic()
        connection.request(
            "POST", "/api/predict", json.dumps(body), {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 200:
            self.failed.append(f"{answer.status} {said[:200]!r}")
        self.answered.append(Answered(started, time.monotonic() - started, single))

    def _text(self) -> str:
        return tiny.sentence(self.rng.randrange(2), self.rng, self.rng.randint(4, 512))

    def _body(self) -> tuple[dict[str, Any], bool]:
        drawn = self.rng.random()
        if drawn < 0.02:
            return {"text": self._text()[:400], "explain": True}, False
        if drawn < 0.10:
            return {"texts": [self._text() for _ in range(self.rng.randint(1, 32))]}, False
        return {"text": self._text()}, True


def invalid(site: Site) -> int:
    """The status of a request that is none."""
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=60)
    try:
        connection.request(
            "POST", "/api/predict", '{"text": "\\ud800', {"Content-Type": "application/json"}
        )
        return connection.getresponse().status
    finally:
        connection.close()


def held(site: Site) -> tuple[float, int]:
    """What gunicorn and its workers hold: MB (proportional set size), open files."""
    assert site.process
    root = psutil.Process(site.process.pid)
    processes = [root, *root.children(recursive=True)]
    memory = sum(process.memory_full_info().pss for process in processes)
    return memory / 1e6, sum(process.num_fds() for process in processes)


def slowest_hundredth(answered: Sequence[Answered]) -> float:
    return float(np.percentile([one.seconds for one in answered], 99)) if answered else 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--warm-up", type=float, default=10, help="minutes")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--model", default="", help="a model's directory; default: the starter")
    parser.add_argument("--plant", choices=["none", "leak"], default="none")
    options = parser.parse_args(arguments)
    samples: list[tuple[float, float, int]] = []
    refusals: list[int] = []
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        folder = Path(directory)
        if not options.model:
            Site.prepared(folder).manage("install_starter", timeout=600)
        wsgi, environment = "reviewsite.wsgi", {}
        if options.plant == "leak":
            (folder / "leaking.py").write_text(LEAK)
            wsgi, environment = "leaking", {"PYTHONPATH": f"{folder}:{ROOT}"}
        with Site.started(
            folder,
            wsgi=wsgi,
            CLASSIFIER_MODEL=options.model or "starter",
            WEB_CONCURRENCY="2",
            LOG_LEVEL="WARNING",
            **environment,
        ) as site:
            ended = threading.Event()
            clients = [Client(site, ended, seed) for seed in range(options.clients)]
            for client in clients:
                client.start()
            began = time.monotonic()
            invalid_at = began
            while (now := time.monotonic()) - began < options.minutes * 60:
                if now >= invalid_at:
                    refusals.append(invalid(site))
                    invalid_at += INVALID_SECONDS
                samples.append((now, *held(site)))
                time.sleep(SAMPLE_SECONDS)
            ended.set()
            for client in clients:
                client.join(180)
    return say(samples, refusals, clients, warm=began + options.warm_up * 60, ended=now)


def say(
    samples: Sequence[tuple[float, float, int]],
    refusals: Sequence[int],
    clients: Sequence[Client],
    *,
    warm: float,
    ended: float,
) -> int:
    answered = sorted((one for each in clients for one in each.answered), key=lambda one: one.at)
    failed = [line for client in clients for line in client.failed]
    after = [one for one in answered if one.at >= warm]
    at, memory, files = (np.array(column) for column in zip(*samples, strict=True))
    late = at >= warm
    tenth = max(1, int(late.sum()) // 10)
    # Ends of the time after the warm-up: means, for one sample may fall into a large list.
    first, last = memory[late][:tenth].mean(), memory[late][-tenth:].mean()
    requests = np.searchsorted([one.at for one in answered], at[late])
    slope = float(np.polyfit(requests / 1000, memory[late], 1)[0])
    quarter = (ended - warm) / 4
    singles = [one for one in after if one.single]
    early = slowest_hundredth([one for one in singles if one.at < warm + quarter])
    final = slowest_hundredth([one for one in singles if one.at >= ended - quarter])
    growth, drift = last / first - 1, final / early - 1
    wrong = [status for status in refusals if status != 400]
    # Medians: a sample may fall into a moment with a connection more.
    grown_files = int(np.median(files[late][-tenth:]) - np.median(files[late][:tenth]))
    checks = [growth > GROWTH, slope > SLOPE, drift > DRIFT, grown_files > 0]
    sys.stdout.write(
        report(
            "T13",
            unit="requests",
            tried=len(answered) + len(refusals),
            failures=len(failed) + len(wrong) + sum(checks),
            target="memory grows by 5 % at most after the warm-up, by 1 MB at most in 1,000 "
            "requests; slowest hundredth by 10 %; open files by none",
            figures={
                "minutes": f"{(ended - at[0]) / 60:.0f}",
                "memory after the warm-up, MB": f"{first:.1f}",
                "memory at the end, MB": f"{last:.1f} ({growth:+.1%})",
                "MB in 1,000 requests": f"{slope:+.3f}",
                "slowest hundredth, first and last quarter, ms": f"{early * 1000:.0f}, "
                f"{final * 1000:.0f} ({drift:+.0%})",
                "open files more": grown_files,
                "requests failed": len(failed),
                "invalid requests, all refused with 400": f"{len(refusals) - len(wrong)} of "
                f"{len(refusals)}",
            },
        )
    )
    sys.stdout.write("".join(f"{line}\n" for line in failed[:5]))
    return 1 if failed or wrong or any(checks) else 0


if __name__ == "__main__":
    sys.exit(main())
