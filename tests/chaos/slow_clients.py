"""Four hundred connections that never finish their request, and visitors beside them.

    python tests/chaos/slow_clients.py --half-open 200 --slow-bodies 200 --seconds 60

Half of the slow ones send half a header, half send a body a byte each second; who is given up opens
a new connection at once. Visitors rate reviews through the nginx of deploy/ all the while, and did
before. Exits 1 where a visitor failed, or the slowest hundredth took more than twice as long as
before (and more than 50 ms longer).

--plant no-proxy lets all of them at gunicorn itself; then visitors must fail or wait.
"""

import argparse
import http.client
import json
import selectors
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from classifier.onnx_export import export_model  # noqa: E402
from tests import tiny  # noqa: E402
from tests.chaos.findings import report  # noqa: E402
from tests.chaos.proxy import proxy  # noqa: E402
from tests.site import Site  # noqa: E402

HEADER = b"POST /api/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
BODY = (
    b"POST /api/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b'Content-Length: 9999\r\n\r\n{"text": "'
)
VISITORS = 4
NOTICED = 0.050  # seconds


class SlowClients(threading.Thread):
    """Keeps so many connections open, and sends a byte of each body a second."""

    def __init__(self, address: str, half_open: int, slow_bodies: int) -> None:
        super().__init__(daemon=True)
        host, port = address.split(":")
        self.address = host, int(port)
        self.beginnings = [HEADER] * half_open + [BODY] * slow_bodies
        self.ended = threading.Event()
        self.opened = 0

    def run(self) -> None:
        selector = selectors.DefaultSelector()
        for beginning in self.beginnings:
            self._open(selector, beginning)
        while not self.ended.is_set():
            until = time.monotonic() + 1
            while (left := until - time.monotonic()) > 0:
                for key, _ in selector.select(left):  # who is given up
                    self._replace(selector, key)
            for key in list(selector.get_map().values()):
                if key.data is BODY:
                    try:
                        key.fileobj.send(b"a")  # type: ignore[union-attr]
                    except OSError:
                        self._replace(selector, key)
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        selector.close()

    def _replace(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        selector.unregister(key.fileobj)
        key.fileobj.close()  # type: ignore[union-attr]
        self._open(selector, key.data)

    def _open(self, selector: selectors.BaseSelector, beginning: bytes) -> None:
        client = socket.create_connection(self.address, timeout=30)
        client.sendall(beginning)
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ, beginning)
        self.opened += 1


class Visitor(threading.Thread):
    """Rates a review over a connection of its own, again and again."""

    def __init__(self, address: str, seconds: float) -> None:
        super().__init__(daemon=True)
        self.address, self.seconds = address, seconds
        self.took: list[float] = []
        self.failed: list[str] = []

    def run(self) -> None:
        ends = time.monotonic() + self.seconds
        while (started := time.monotonic()) < ends:
            connection = http.client.HTTPConnection(self.address, timeout=20)
            try:
                body = json.dumps({"text": "a lovely film"})
                connection.request(
                    "POST", "/api/predict", body, {"Content-Type": "application/json"}
                )
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    self.failed.append(str(answer.status))
            except OSError as error:
                self.failed.append(repr(error))
            finally:
                connection.close()
            self.took.append(time.monotonic() - started)
            time.sleep(0.02)


def visited(address: str, seconds: float) -> list[Visitor]:
    visitors = [Visitor(address, seconds) for _ in range(VISITORS)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    return visitors


def slowest_hundredth(visitors: Sequence[Visitor]) -> float:
    return float(np.percentile([took for each in visitors for took in each.took], 99))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--half-open", type=int, default=200)
    parser.add_argument("--slow-bodies", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--plant", choices=["none", "no-proxy"], default="none")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="slow-clients-") as directory, ExitStack() as stack:
        folder = Path(directory)
        folder.chmod(0o755)  # nginx may run as somebody else
        model = tiny.write_classifier(folder / "tiny")
        export_model(model)
        site = stack.enter_context(
            Site.started(folder, CLASSIFIER_MODEL=str(model), WEB_CONCURRENCY="2")
        )
        address = urlsplit(site.url).netloc
        if options.plant != "no-proxy":
            address = stack.enter_context(proxy(folder / "nginx", [address]))
        before = visited(address, min(20, options.seconds))
        slow = SlowClients(address, options.half_open, options.slow_bodies)
        slow.start()
        time.sleep(2)
        during = visited(address, options.seconds)
        slow.ended.set()
        slow.join(30)
    failed = [line for visitor in (*before, *during) for line in visitor.failed]
    usual, slowest = slowest_hundredth(before), slowest_hundredth(during)
    late = slowest > 2 * usual and slowest > usual + NOTICED
    sys.stdout.write(
        report(
            "T16",
            unit="requests of visitors",
            tried=sum(len(visitor.took) for visitor in during),
            failures=len(failed) + late,
            target="none fails; the slowest hundredth at most twice that of before",
            figures={
                "half-open connections": options.half_open,
                "connections with slow bodies": options.slow_bodies,
                "connections opened in all": slow.opened,
                "slowest hundredth before, ms": f"{usual * 1000:.0f}",
                "slowest hundredth beside them, ms": f"{slowest * 1000:.0f}",
                "failed": len(failed),
            },
        )
    )
    sys.stdout.write("".join(f"{line}\n" for line in failed[:5]))
    return 1 if failed or late else 0


if __name__ == "__main__":
    sys.exit(main())
