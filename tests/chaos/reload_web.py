"""gunicorn is reloaded, and two sites behind nginx end and start by turns, while clients ask.

    python tests/chaos/reload_web.py --reloads 20 --rounds 10 --clients 64

Half of the clients keep their connections, half open one for each request. First gunicorn gets HUP
again and again; then each of two sites behind nginx gets SIGTERM and is started again, in turns, as
in a rolling upgrade. Exits 1 where a request failed, or a site took more than 10 s to end.

--plant quit ends the sites at once (SIGINT), unanswered or not; then requests must fail.
"""

import argparse
import http.client
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from classifier.onnx_export import export_model  # noqa: E402
from tests import tiny  # noqa: E402
from tests.chaos.findings import report  # noqa: E402
from tests.chaos.proxy import proxy  # noqa: E402
from tests.site import Site, command  # noqa: E402

DRAIN = 10.0  # seconds that a site may take to end
HEADERS = {"Content-Type": "application/json"}


class Client(threading.Thread):
    """Asks again and again, over one connection or over a new one each time."""

    def __init__(self, address: str, ended: threading.Event, *, keeps: bool) -> None:
        super().__init__(daemon=True)
        self.address, self.ended, self.keeps = address, ended, keeps
        self.outcomes: Counter[str] = Counter()

    def run(self) -> None:
        connection = self._connection()
        while not self.ended.is_set():
            if not self.keeps:
                connection.close()
                connection = self._connection()
            fresh = connection.sock is None
            try:
                self.outcomes[self._ask(connection)] += 1
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
                connection.close()
                connection = self._connection()
                if fresh:
                    self.outcomes[repr(error)] += 1
                # A kept connection that was closed while it was idle is opened again, as RFC 9110
                # has it (9.3.1); whether the request is then answered is what counts.
            except OSError as error:
                connection.close()
                connection = self._connection()
                self.outcomes[repr(error)] += 1
        connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=60)

    def _ask(self, connection: http.client.HTTPConnection) -> str:
        connection.request("POST", "/api/predict", json.dumps({"text": "a lovely film"}), HEADERS)
        answer = connection.getresponse()
        answer.read()
        if answer.getheader("Connection") == "close":
            connection.close()
        return str(answer.status)


def under_load(address: str, clients: int, disturb: Callable[[], None]) -> Counter[str]:
    """What clients were answered while `disturb` ran."""
    ended = threading.Event()
    asking = [Client(address, ended, keeps=number % 2 == 0) for number in range(clients)]
    for client in asking:
        client.start()
    try:
        disturb()
    finally:
        ended.set()
        for client in asking:
            client.join(90)
    return sum((client.outcomes for client in asking), Counter[str]())


def restart(
    site: Site, process: "subprocess.Popen[bytes]", *, how: int
) -> "tuple[subprocess.Popen[bytes], float]":
    """End a site and start it again; its process, and the seconds until it had ended."""
    started = time.monotonic()
    process.send_signal(how)
    process.wait(timeout=60)
    took = time.monotonic() - started
    with site.log.open("ab") as log:
        again = subprocess.Popen(
            command("web"), cwd=ROOT, env=site.environment, stdout=log, stderr=log
        )
    site.wait(again, "readyz")
    return again, took


def end_all(processes: "Sequence[subprocess.Popen[bytes] | None]") -> None:
    for process in processes:
        if process:
            process.kill()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--reloads", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=10, help="of the two sites behind nginx")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--plant", choices=["none", "quit"], default="none")
    options = parser.parse_args(arguments)
    how = signal.SIGINT if options.plant == "quit" else signal.SIGTERM
    drains: list[float] = []
    with tempfile.TemporaryDirectory(prefix="reload-web-") as directory, ExitStack() as stack:
        folder = Path(directory)
        folder.chmod(0o755)  # nginx may run as somebody else
        model = tiny.write_classifier(folder / "tiny")
        export_model(model)
        variables = {"CLASSIFIER_MODEL": str(model), "WEB_CONCURRENCY": "2", "LOG_LEVEL": "ERROR"}
        (folder / "one").mkdir()
        with Site.started(folder / "one", **variables) as site:
            assert site.process
            process = site.process

            def reload() -> None:
                for _ in range(options.reloads):
                    process.send_signal(signal.SIGHUP)
                    time.sleep(3)

            reloaded = under_load(urlsplit(site.url).netloc, options.clients, reload)
        sites: list[Site] = []
        processes: list[subprocess.Popen[bytes] | None] = []
        for name in ("left", "right"):
            (folder / name).mkdir()
            variables["WEB_CONCURRENCY"] = "1"
            sites.append(stack.enter_context(Site.started(folder / name, **variables)))
            processes.append(sites[-1].process)
        stack.callback(end_all, processes)
        address = stack.enter_context(
            proxy(folder / "nginx", [urlsplit(one.url).netloc for one in sites])
        )

        def roll() -> None:
            for number in range(2 * options.rounds):
                which = number % 2
                process = processes[which]
                assert process
                processes[which], took = restart(sites[which], process, how=how)
                drains.append(took)

        rolled = under_load(address, options.clients, roll)
    failed = {
        "in reloads": {said: count for said, count in reloaded.items() if said != "200"},
        "in rolling ends": {said: count for said, count in rolled.items() if said != "200"},
    }
    failures = sum(sum(said.values()) for said in failed.values())
    slow = sum(took > DRAIN for took in drains)
    sys.stdout.write(
        report(
            "T9",
            unit="requests",
            tried=reloaded.total() + rolled.total(),
            failures=failures + slow,
            target="none fails; a site ends within 10 s",
            figures={
                "reloads (HUP)": options.reloads,
                "answered in reloads": reloaded["200"],
                "ends and starts behind nginx": len(drains),
                "answered in them": rolled["200"],
                "failed": failed,
                "slowest end, s": f"{max(drains, default=0):.1f}",
            },
        )
    )
    return 1 if failures or slow else 0


if __name__ == "__main__":
    sys.exit(main())
