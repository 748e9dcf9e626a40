"""What the processes of a run print: a file with the run, and its end in the row."""

import re
from pathlib import Path

from django.conf import settings

from training.tracking.redaction import redacted

FILE = "output.log"
TAIL_BYTES = 16 * 1024
READ_BYTES = 4 * TAIL_BYTES  # a progress bar takes many that are not shown
# Colours of a terminal; and control characters, of which PostgreSQL does not have all.
_UNPRINTABLE = re.compile(r"\x1b\[[0-9;?]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")


def output_file(name: str) -> Path:
    """The log of the run `name`, of all its attempts."""
    return Path(settings.RUNS_DIR) / name / FILE


def tail(file: Path, *, size: int = TAIL_BYTES) -> str:
    """The last whole lines of a log, at most `size` bytes, without secrets; "" where it has none.

    Of a line that a progress bar has written over and over, only its last state is shown.
    """
    try:
        with file.open("rb") as stream:
            start = max(0, stream.seek(0, 2) - READ_BYTES)
            stream.seek(start)
            content = stream.read()
    except OSError:
        return ""
    # A line that is cut may begin inside a token, which redaction would not know.
    text = content.decode("utf-8", "replace") if not start else _whole(content)
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    shown = _UNPRINTABLE.sub("", redacted("\n".join(lines)))
    if len(shown.encode()) > size:
        shown = _whole(shown.encode()[-size:])
    return shown


def _whole(content: bytes) -> str:
    return content.partition(b"\n")[2].decode("utf-8", "replace")
