"""The sender's own process: python -m training.tracking RUN_DIR, with MLFLOW_TRACKING_URI set.

It sends the spool every few seconds until its standard input ends, then what other runs left.
"""

import logging
import os
import select
import sys
from pathlib import Path

from reviewsite.garbage import collect_seldom
from training.tracking.redaction import without_password
from training.tracking.spool import SPOOL, Spool

logger = logging.getLogger(__name__)

SEND_SECONDS = 2.0  # between two looks at the spool
LONGEST_WAIT = 60.0  # seconds between attempts at a server that does not answer


def _serve(spool: Spool, uri: str) -> int:
    wait, ended = 0.0, False
    while not ended:
        ended = _input_ends(wait)
        if _attempt(spool, uri):
            wait = SEND_SECONDS
        else:
            wait = min(max(wait * 2, SEND_SECONDS), LONGEST_WAIT)
            ended = ended or _input_ends(0)
    if not spool.is_sent():
        return 1
    _send_leftovers(spool, uri)
    return 0


def _attempt(spool: Spool, uri: str) -> bool:
    try:
        with spool.locked():
            # Here, not at the top: mlflow itself may be what fails.
            from training.tracking.delivery import Delivery

            Delivery(spool, uri).send()
    except Exception as error:  # tracking must not stop, whatever a store or a network does
        logger.warning("%s: not sent: %s: %s", spool.run_dir.name, type(error).__name__, error)
        return False
    return True


def _send_leftovers(spool: Spool, uri: str) -> None:
    """Send what other runs beside this one could not."""
    for file in sorted(spool.run_dir.parent.glob(f"*/{SPOOL}")):
        other = Spool(file.parent)
        unsent = other.run_dir != spool.run_dir and not other.is_sent()
        if unsent and other.first()["uri"] == without_password(uri):
            _attempt(other, uri)


def _input_ends(seconds: float) -> bool:
    return bool(select.select([sys.stdin], [], [], seconds)[0])


if __name__ == "__main__":
    collect_seldom()  # while mlflow is imported
    logging.basicConfig(format="{asctime} {levelname} {message}", style="{", level=logging.WARNING)
    sys.exit(_serve(Spool(Path(sys.argv[1])), os.environ["MLFLOW_TRACKING_URI"]))
