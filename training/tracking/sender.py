"""The sender as the run has it: a process that is started, and given time to end."""

import os
import subprocess
import sys
import time
from pathlib import Path

from training.tracking.spool import Spool

LOG = "tracking.log"
PATIENCE = 60.0  # seconds without progress that the end of a run waits for the sender
# Read by mlflow when it is imported: one short attempt a request, and no telemetry.
CLIENT_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",  # seconds
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}


class Sender:
    """The process that sends; it stops when its standard input ends, so also with its parent."""

    def __init__(self, spool: Spool, tracking_uri: str) -> None:
        self._spool = spool
        with (spool.run_dir / LOG).open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  this interpreter, this package
                [sys.executable, "-m", "training.tracking", str(spool.run_dir.resolve())],
                cwd=Path(__file__).resolve().parents[2],
                env=os.environ | CLIENT_ENVIRONMENT | {"MLFLOW_TRACKING_URI": tracking_uri},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the run; this one ends with its input
            )

    def finish(self, patience: float) -> bool:
        """Let it send the rest, for as long as it gets on; whether all was sent."""
        if self._process.stdin:
            self._process.stdin.close()
        seen, deadline = self._spool.sent(), time.monotonic() + patience
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
            if (now := self._spool.sent()) != seen:
                seen, deadline = now, time.monotonic() + patience
        self._process.kill()
        self._process.wait()
        return self._spool.is_sent()
