"""The nginx of deploy/, in front of the sites of a test."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.world import until
from tests.site import ROOT, free_port


@contextmanager
def proxy(folder: Path, upstreams: Sequence[str]) -> Iterator[str]:
    """nginx that shares requests among these hosts and ports; its own host and port."""
    here = f"127.0.0.1:{free_port()}"
    folder.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "NGINX_LISTEN": here,
        # The template has one server; each more is a line of its own. Without max_fails=0 a site
        # that was refused once is left alone for ten seconds, in which the other may end.
        "NGINX_UPSTREAM": "; server ".join(f"{each} max_fails=0" for each in upstreams),
        "NGINX_DIR": str(folder),
        "TRUSTED_PROXY": "127.0.0.2",
    }
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [ROOT / "deploy" / "nginx"], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        until(lambda: _answers(here), seconds=30, what="nginx")
        yield here
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(address: str) -> bool:
    import urllib.request

    with urllib.request.urlopen(f"http://{address}/proxyz", timeout=2):
        return True
