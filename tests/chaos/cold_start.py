"""The site is started again and again while somebody asks for it all the time.

    python tests/chaos/cold_start.py --starts 20

/readyz and POST /api/predict are asked from the first moment. Exits 1 where /readyz said that the
site is ready, and the next prediction was none; where a prediction was answered otherwise than by
200, or by 503 before it was ready; or where /livez took more than 50 ms after it was.

--plant hasty says that the site is ready before the model is loaded.
"""

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from classifier.onnx_export import export_model  # noqa: E402
from tests import tiny  # noqa: E402
from tests.chaos.findings import report  # noqa: E402
from tests.site import ROOT as CODE  # noqa: E402
from tests.site import Site, command  # noqa: E402

LIVE = 0.050  # seconds that /livez may take
LIVE_ASKED = 50  # times, while the worker imports its pages
HASTY = """
from reviewsite.wsgi import application
import time
from django.http import JsonResponse
from reviewsite import middleware
from classifier.exceptions import ModelNotReady
from classifier.predictor import holder
middleware.PROBES["/readyz"] = lambda request: JsonResponse({"ready": True})
get, born = holder.get, time.monotonic()
def late():
    if time.monotonic() - born < 3:
        raise ModelNotReady(code="model_loading", rule="a", value="b", remedy="c")
    return get()
holder.get = late
"""


@dataclass
class Tally:
    starts: int = 0
    live: list[float] = field(default_factory=list)
    """Seconds that each answer of /livez took."""
    ready_after: list[float] = field(default_factory=list)
    too_early: int = 0
    """Starts in which the site said that it is ready, and could not rate."""
    odd: list[str] = field(default_factory=list)


def ask(site: Site, method: str, path: str) -> tuple[int, float]:
    """Status and seconds; 0 where nobody answers yet."""
    connection = http.client.HTTPConnection(urlsplit(site.url).netloc, timeout=30)
    started = time.monotonic()
    try:
        body = json.dumps({"text": "a lovely film"}) if method == "POST" else None
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, time.monotonic() - started
    except OSError:
        return 0, time.monotonic() - started
    finally:
        connection.close()


def start(site: Site, wsgi: str, tally: Tally) -> None:
    """Start the site, ask until it is ready, and end it."""
    with site.log.open("wb") as log:
        process = subprocess.Popen(
            command("web", wsgi=wsgi), cwd=CODE, env=site.environment, stdout=log, stderr=log
        )
    began = time.monotonic()
    tally.starts += 1
    try:
        while time.monotonic() - began < 120:
            ready, _ = ask(site, "GET", "/readyz")
            rated, _ = ask(site, "POST", "/api/predict")
            if rated not in (0, 200, 503):
                tally.odd.append(str(rated))
            if ready == 200:
                tally.ready_after.append(time.monotonic() - began)
                tally.too_early += rated != 200
                tally.live += [ask(site, "GET", "/livez")[1] for _ in range(LIVE_ASKED)]
                return
            time.sleep(0.01)
        tally.odd.append("not ready within 120 s")
    finally:
        process.terminate()
        process.wait(timeout=60)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--plant", choices=["none", "hasty"], default="none")
    options = parser.parse_args(arguments)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="cold-start-") as directory:
        folder = Path(directory)
        model = tiny.write_classifier(folder / "tiny")
        export_model(model)
        (folder / "planted.py").write_text(HASTY)
        hasty = options.plant == "hasty"
        site = Site.prepared(
            folder,
            CLASSIFIER_MODEL=str(model),
            WEB_CONCURRENCY="1",
            **({"PYTHONPATH": f"{folder}:{ROOT}"} if hasty else {}),
        )
        site.collect_static()
        for _ in range(options.starts):
            start(site, "planted" if hasty else "reviewsite.wsgi", tally)
    slow = [took for took in tally.live if took > LIVE]
    failures = tally.too_early + len(tally.odd) + len(slow)
    sys.stdout.write(
        report(
            "T28",
            unit="starts",
            tried=tally.starts,
            failures=failures,
            target="none ready before it rates; /livez within 50 ms",
            figures={
                "ready after, median s": f"{sorted(tally.ready_after)[tally.starts // 2]:.1f}"
                if len(tally.ready_after) == tally.starts
                else "-",
                "ready before it could rate": tally.too_early,
                "slowest /livez, ms": f"{max(tally.live, default=0) * 1000:.0f}",
                "/livez later than that": len(slow),
                "other answers": ", ".join(tally.odd[:5]) or "none",
            },
        )
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
