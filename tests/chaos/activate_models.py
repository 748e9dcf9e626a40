"""Versions of the model activated under load, broken ones among them.

    python tests/chaos/activate_models.py --activations 100 --broken 10 --clients 32

Clients ask over kept-alive connections while three versions are activated by turns, each once
every worker has taken over the one before. Exits 1 where a request failed, an answer had the name
of one version and the words of another, a broken version was not refused, or a worker did not
follow.

--plant mix lets a worker name the version that was active when it started, whichever answers; then
answers must be mixed.
"""

import argparse
import http.client
import json
import sys
import tempfile
import threading
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from classifier.onnx_export import export_model  # noqa: E402
from tests import tiny  # noqa: E402
from tests.chaos.findings import report  # noqa: E402
from tests.site import Site  # noqa: E402

TEXT = "a good film , and the worst story"
WORKERS = 2
# Run in the site: activates, tries a broken one now and then, and waits for every worker.
ACTIVATE = """
import http.client, json, random, time
from django.conf import settings
from classifier.exceptions import ModelNotReady
from classifier.model_store import directory_of
from classifier.versions.activation import activate, register
versions = [register(path) for path in {models!r}]
broken = register({broken_model!r})
weights = directory_of(broken) / "model.safetensors"
weights.write_bytes(weights.read_bytes()[:-1000])
refused = unfollowed = 0
slowest = 0.0
broken_at = set(random.Random(0).sample(range({activations}), {broken}))
def served():
    connection = http.client.HTTPConnection({host!r}, {port}, timeout=30)
    try:
        connection.request("GET", "/readyz")
        return json.loads(connection.getresponse().read())["model"]
    finally:
        connection.close()
for number in range({activations}):
    if number in broken_at:
        try:
            activate(broken, actor=None, reason="chaos")
        except ModelNotReady:
            refused += 1
    version = versions[number % len(versions)]
    activate(version, actor=None, reason="chaos")
    began, in_a_row = time.monotonic(), 0
    # Any worker may answer a new connection: so many in a row are by both.
    while in_a_row < 12 and time.monotonic() - began < 30:
        in_a_row = in_a_row + 1 if served() == str(version) else 0
        time.sleep(0.02)
    unfollowed += in_a_row < 12
    slowest = max(slowest, time.monotonic() - began)
print(json.dumps({{
    "refused": refused, "unfollowed": unfollowed, "slowest": slowest,
    "versions": [str(version) for version in versions], "broken": str(broken),
}}))
"""
# A gunicorn worker that keeps the name of its first version.
MIX = """
from reviewsite.wsgi import application
from classifier import keeping
version_of, first = keeping._version_of, []
def frozen(predictor):
    if not first:
        first.append(version_of(predictor))
    return first[0]
keeping._version_of = frozen
"""


@dataclass
class Outcome:
    statuses: Counter[int]
    errors: list[str]
    answers: dict[str, set[float]]
    """What each version said of the one text, P(POSITIVE)."""
    refused: int
    unfollowed: int
    slowest: float
    """Seconds until all workers had taken a version over."""
    versions: list[str]
    broken: str

    @property
    def mixed(self) -> int:
        """Answers too many: each version says one thing, and no two the same."""
        said = [each for probabilities in self.answers.values() for each in probabilities]
        return len(said) - len(self.answers) + len(said) - len(set(said))


class Client(threading.Thread):
    """Asks again and again over one connection until it is told to stop."""

    def __init__(self, site: Site, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.address, self.stop = urlsplit(site.url), stop
        self.statuses: Counter[int] = Counter()
        self.said: defaultdict[str, set[float]] = defaultdict(set)
        self.error = ""

    def run(self) -> None:
        connection = http.client.HTTPConnection(
            str(self.address.hostname), self.address.port, timeout=60
        )
        headers = {"Content-Type": "application/json"}
        try:
            while not self.stop.is_set():
                connection.request("POST", "/api/predict", json.dumps({"text": TEXT}), headers)
                answer = connection.getresponse()
                body = json.loads(answer.read())
                self.statuses[answer.status] += 1
                if answer.status == 200:
                    self.said[body["model"]].add(body["positive_probability"])
        except Exception as error:
            self.error = repr(error)
        finally:
            connection.close()


def activate_under_load(
    folder: Path, *, activations: int, broken: int, clients: int, plant: str = "none"
) -> Outcome:
    """Serve three tiny models by turns from a site in `folder` while clients ask."""
    models = []
    for seed in (1, 2, 3, 4):
        model = tiny.write_classifier(folder / f"model-{seed}", seed=seed)
        export_model(model)
        models.append(str(model))
    first, broken_model = models[0], models.pop()
    wsgi = "reviewsite.wsgi"
    environment: dict[str, Any] = {}
    if plant == "mix":
        (folder / "planted.py").write_text(MIX)
        wsgi, environment = "planted", {"PYTHONPATH": f"{folder}:{ROOT}"}
    stop = threading.Event()
    with Site.started(
        folder,
        wsgi=wsgi,
        CLASSIFIER_MODEL=first,
        WEB_CONCURRENCY=str(WORKERS),
        CLASSIFIER_CACHE_SIZE="0",
        **environment,
    ) as site:
        asking = [Client(site, stop) for _ in range(clients)]
        for client in asking:
            client.start()
        address = urlsplit(site.url)
        code = ACTIVATE.format(
            models=models,
            broken_model=broken_model,
            activations=activations,
            broken=broken,
            host=address.hostname,
            port=address.port,
        )
        try:
            said = json.loads(
                site.manage("shell", "--no-imports", "--command", code, timeout=3600).splitlines()[
                    -1
                ]
            )
        finally:
            stop.set()
            for client in asking:
                client.join(60)
    answers: defaultdict[str, set[float]] = defaultdict(set)
    for client in asking:
        for named, probabilities in client.said.items():
            answers[named] |= probabilities
    return Outcome(
        statuses=sum((client.statuses for client in asking), Counter[int]()),
        errors=[client.error for client in asking if client.error],
        answers=dict(answers),
        **said,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--activations", type=int, default=100)
    parser.add_argument("--broken", type=int, default=10, help="tried besides, and refused")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--plant", choices=["none", "mix"], default="none")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = activate_under_load(
            Path(folder),
            activations=options.activations,
            broken=options.broken,
            clients=options.clients,
            plant=options.plant,
        )
    failed = sum(outcome.statuses.values()) - outcome.statuses[200] + len(outcome.errors)
    figures = {
        "activations": options.activations,
        "requests answered": outcome.statuses[200],
        "requests failed": failed,
        "answers that mix versions": outcome.mixed,
        "broken versions refused": f"{outcome.refused} of {options.broken}",
        "broken versions that answered": int(outcome.broken in outcome.answers),
        "activations that a worker did not follow": outcome.unfollowed,
        "slowest to reach all workers, s": f"{outcome.slowest:.1f}",
    }
    wrong = (
        failed
        + outcome.mixed
        + (options.broken - outcome.refused)
        + (outcome.broken in outcome.answers)
        + outcome.unfollowed
    )
    sys.stdout.write(
        report(
            "T27",
            unit="requests",
            tried=outcome.statuses.total() + len(outcome.errors),
            failures=wrong,
            target="none fails, none mixes versions, every broken version is refused",
            figures=figures,
        )
    )
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
