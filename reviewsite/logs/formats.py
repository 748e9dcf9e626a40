"""How an event becomes a line: JSON for programs, text for people. Neither can be forged."""

import logging
import re
from datetime import UTC, datetime
from typing import Any

from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

from reviewsite.logs import request_id
from reviewsite.redaction import redacted

# All that could end a line, move the cursor or turn the writing around (ASVS 16.4.1)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def escaped(text: str) -> str:
    r"""`text` in one line: what controls a terminal or ends a line is written as \x1b or \n."""
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)


class LineFormatter(logging.Formatter):
    """Time, level, logger, the request's id where there is one, and the message."""

    def format(self, record: logging.LogRecord) -> str:
        request = request_id.current()
        head = (
            f"{_time(record)} {record.levelname} {record.name}{f' [{request}]' if request else ''}"
        )
        lines = [f"{head}: {escaped(redacted(record.getMessage()))}"]
        # Indented, so that no line of a traceback looks like an event.
        for more in (self._traceback(record), record.stack_info):
            lines += [f"    {escaped(line)}" for line in redacted(more or "").splitlines()]
        return "\n".join(lines)

    def _traceback(self, record: logging.LogRecord) -> str:
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        return record.exc_text or ""


class JsonFormatter(BaseJsonFormatter):
    """One JSON object: time, level, logger, message, request_id, process, and what is extra."""

    def __init__(self) -> None:
        super().__init__("{message}", style="{", json_ensure_ascii=True)

    def add_fields(
        self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]
    ) -> None:
        log_data["time"] = _time(record)
        log_data["level"] = record.levelname
        log_data["logger"] = record.name
        if request := request_id.current():
            log_data["request_id"] = request
        super().add_fields(log_data, record, message_dict)
        log_data["process"] = record.process

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        # Django adds these, and they are whole requests and sockets.
        return {
            name: redacted(value) if isinstance(value, str) else value
            for name, value in log_data.items()
            if name not in ("request", "server_time")
        }


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
